"""What must hold of each dashboard, whatever it shows."""

import itertools
import json
import pathlib
import subprocess
import sys
import unittest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "deploy/grafana"


def overlap(a, b):
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and
            a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


class Dashboards(unittest.TestCase):

    def setUp(self):
        self.dashboards = {
            name: json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
            for name in ("fleet", "node")}

    def panels(self):
        for name, dashboard in self.dashboards.items():
            for panel in dashboard["panels"]:
                if panel["type"] != "row":
                    yield name, panel

    def test_the_files_are_what_their_source_says(self):
        done = subprocess.run(
            [sys.executable, "-B", FOLDER / "generate.py", "--check"],
            capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

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
                    self.assertIn('instance=~"$node"', target["expr"])

    def test_each_leads_to_the_other(self):
        for here, there in (("fleet", "node"), ("node", "fleet")):
            self.assertEqual(
                [link["url"].partition("?")[0]
                 for link in self.dashboards[here]["links"]],
                [f"/d/pageferry-{there}"])


if __name__ == "__main__":
    unittest.main()
