"""What must hold of each dashboard, whatever it shows."""

import itertools
import re
import subprocess
import sys
import unittest

import grafana
from model_daemon import ROOT

RULES = ROOT / "deploy/prometheus/rules.yaml"


def overlap(a, b):
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and
            a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


class Dashboards(unittest.TestCase):

    def setUp(self):
        self.dashboards = {name: grafana.load(name) for name in grafana.NAMES}

    def panels(self):
        for name, dashboard in self.dashboards.items():
            for panel in grafana.panels(dashboard):
                yield name, panel

    def test_the_files_are_what_their_source_says(self):
        done = subprocess.run(
            [sys.executable, "-B", grafana.FOLDER / "generate.py", "--check"],
            capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_failures_that_count_are_those_of_the_rules(self):
        listed = re.compile(
            r"pageferry_failed_pages_total\{[^}]*(reason=~\"[^\"]*\")")
        rules = set(listed.findall(RULES.read_text("utf-8")))
        self.assertEqual(len(rules), 1)
        for name, dashboard in self.dashboards.items():
            with self.subTest(dashboard=name):
                found = {match for panel in grafana.panels(dashboard)
                         for target in panel["targets"]
                         for match in listed.findall(target["expr"])}
                self.assertEqual(found, rules)

    def test_identities(self):
        uids = [dashboard["uid"] for dashboard in self.dashboards.values()]
        self.assertEqual(uids, ["pageferry-fleet", "pageferry-node"])
        for dashboard in self.dashboards.values():
            self.assertEqual(dashboard["schemaVersion"], 39)
            ids = [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(set(ids)), len(ids))

    def test_no_panel_covers_another_or_leaves_the_page(self):
        for dashboard in self.dashboards.values():
            places = [panel["gridPos"] for panel in dashboard["panels"]]
            for a, b in itertools.combinations(places, 2):
                self.assertFalse(overlap(a, b), (a, b))
            self.assertTrue(all(place["x"] + place["w"] <= 24
                                for place in places))

    def test_each_panel_explains_itself(self):
        for name, panel in self.panels():
            with self.subTest(dashboard=name, panel=panel["title"]):
                self.assertTrue(panel["title"])
                self.assertGreater(len(panel["description"]), 10)
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                self.assertTrue(panel["targets"])
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"]["uid"],
                                     "${datasource}")

    def test_each_heeds_the_variables(self):
        for name, panel in self.panels():
            for target in panel["targets"]:
                with self.subTest(dashboard=name, panel=panel["title"]):
                    self.assertIn('cluster=~"$cluster"', target["expr"])
                    # One value is no expression (Substitution).
                    self.assertIn('instance=~"$node"' if name == "fleet" else
                                  'instance="$node"', target["expr"])

    def test_what_is_most_stands_first(self):
        for name, panel in self.panels():
            if panel["type"] != "timeseries":
                continue
            with self.subTest(dashboard=name, panel=panel["title"]):
                legend = panel["options"]["legend"]
                self.assertEqual((legend["sortBy"], legend["sortDesc"]),
                                 ("Last *", True))

    def test_each_leads_to_the_other(self):
        for here, there in (("fleet", "node"), ("node", "fleet")):
            self.assertEqual(
                [link["url"].partition("?")[0]
                 for link in self.dashboards[here]["links"]],
                [f"/d/pageferry-{there}"])


class Substitution(unittest.TestCase):
    """tests/deploy/grafana.py does as Grafana does."""

    DASHBOARD = {"templating": {"list": [
        {"name": "several", "multi": True, "includeAll": True,
         "allValue": ".*"},
        {"name": "one", "multi": False, "includeAll": False}]}}

    def check(self, text, value, expected):
        self.assertEqual(grafana.filled(text, self.DASHBOARD, {
            name: value for name in ("several", "one")}), expected)

    def test_a_variable_can_be_named_in_two_ways(self):
        self.check("a $one b ${one} c", "x", "a x b x c")

    def test_names_are_whole(self):
        with self.assertRaises(KeyError):
            self.check("$one_more", "x", "")

    def test_values_of_a_variable_that_can_have_several_are_escaped(self):
        self.check('"$several"', "a.b:1", r'"a\\.b:1"')
        self.check('"$several"', ["a.b", "c"], r'"(a\\.b|c)"')
        self.check('"${several}"', grafana.ALL, '".*"')

    def test_the_value_of_a_variable_with_one_is_left_as_it_is(self):
        self.check('"$one"', "a.b:1", '"a.b:1"')

    def test_an_expression_can_be_asked_for(self):
        self.check("`${one:regex}`", "a.b", r"`a\.b`")
        self.check("`${several:regex}`", ["a.b", "c"], r"`(a\.b|c)`")


if __name__ == "__main__":
    unittest.main()
