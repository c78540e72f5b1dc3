"""Dashboards and rules against a real Prometheus that scrapes two real
daemons, on which everything goes wrong."""

import re
import unittest

import every_reason
import grafana
from every_reason import messages
from monitored import DOWN, EAST, WEST, Monitored

# Panels of which nothing is above 0, and why that is right.
ZERO = {
    ("node", "Daemons down"): "the machine that is looked at is up",
    ("node", "Corrections"): "the model backend has no statuses besides its "
                             "results, which could be wrong",
}
# Panels that are empty on machines which are not like the modelled ones.
WITHOUT_TIERS = {("fleet", "Free memory by tier"), ("fleet", "Memory by tier")}


def values(**chosen):
    """Of the variables, all that is not chosen."""
    return {"cluster": grafana.ALL, "node": grafana.ALL, "mode": grafana.ALL,
            "__rate_interval": grafana.RATE_INTERVAL, **chosen}


def selectors(query):
    """The parts of a query that name series, without their ranges."""
    return re.findall(r"[a-z_:]\w*(?::\w+)*\{[^{}]*\}", query)


class Monitoring(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.monitored = Monitored(cls.addClassCleanup)
        cls.prometheus = cls.monitored.prometheus
        cls.dashboards = {name: grafana.load(name) for name in grafana.NAMES}
        # What an idle daemon shows nothing of.
        cls.empty = {
            (name, title) for name in grafana.NAMES
            for title, query in cls.queries(name, node=EAST[1])
            if not cls.prometheus.query_range(query, cls.monitored.idle)}
        cls.monitored.go_wrong()

    @classmethod
    def queries(cls, name, **chosen):
        """(title, query) of all there are in a dashboard, with these values of
        variables."""
        dashboard = cls.dashboards[name]
        for panel in grafana.panels(dashboard):
            for title, target in zip(grafana.titles(panel), panel["targets"]):
                yield title, grafana.filled(target["expr"], dashboard,
                                            values(**chosen))

    def answer(self, query):
        return self.prometheus.query_range(query, self.monitored.span)

    def check_panels(self, name, **chosen):
        print(f"\n{name}: series, of them above 0 at some time, panel")
        for title, query in self.queries(name, **chosen):
            with self.subTest(panel=title, query=query):
                series = self.answer(query)
                above = sum(any(value > 0 for _, value in points)
                            for _, points in series)
                cause = ZERO.get((name, title))
                print(f"  {len(series):>4} {above:>4}  {title}",
                      f"({cause})" if cause else "")
                self.assertTrue(series)
                self.assertEqual(above == 0, cause is not None)

    def test_each_panel_of_fleet_has_data(self):
        self.check_panels("fleet")

    def test_each_panel_of_node_has_data(self):
        self.check_panels("node", node=EAST[1])

    def test_what_is_empty_while_nothing_happens_says_so(self):
        said = {(name, panel["title"])
                for name in grafana.NAMES
                for panel in grafana.panels(self.dashboards[name])
                if "noValue" in panel["fieldConfig"]["defaults"]}
        self.assertEqual(self.empty | WITHOUT_TIERS, said)

    def asked_for(self, query):
        """The labels of each of the series that a query names."""
        found = [self.prometheus.get("series", **{"match[]": selector})
                 for selector in selectors(query)]
        self.assertTrue(found)
        return found

    def check_clusters(self, name, clusters, expected, **chosen):
        """That a dashboard asks for series of these clusters only, and for some
        of each; and that its panels have data then."""
        for title, query in self.queries(name, cluster=clusters, **chosen):
            with self.subTest(panel=title, query=query):
                for series in self.asked_for(query):
                    self.assertEqual({labels["cluster"] for labels in series},
                                     expected)
                if expected:
                    self.assertTrue(self.answer(query))

    def test_fleet_shows_the_clusters_that_are_chosen(self):
        self.check_clusters("fleet", "east", {"east"})
        self.check_clusters("fleet", ["east"], {"east"})
        self.check_clusters("fleet", ["east", "west"], {"east", "west"})
        self.check_clusters("fleet", grafana.ALL, {"east", "west"})

    def test_node_shows_a_machine_of_the_cluster_that_is_chosen(self):
        self.check_clusters("node", "east", {"east"}, node=EAST[1])
        self.check_clusters("node", ["east", "west"], {"west"}, node=WEST[1])
        self.check_clusters("node", "west", set(), node=EAST[1])

    def test_each_shows_the_modes_that_are_chosen(self):
        for name in grafana.NAMES:
            for modes in (["ASYNC"], ["ASYNC", "SYNC"]):
                for title, query in self.queries(name, node=EAST[1],
                                                 mode=modes):
                    with self.subTest(panel=title, query=query):
                        for series in self.asked_for(query):
                            self.assertIn(
                                {labels.get("mode") for labels in series},
                                ({None}, set(modes)))

    def value(self, name, title, **chosen):
        (_, value), = self.prometheus.query(
            dict(self.queries(name, **chosen))[title])
        return value

    def test_a_machine_is_known_by_its_name_and_not_by_one_like_it(self):
        for name in grafana.NAMES:
            for machine, down in ((EAST, 0), (DOWN, 1)):
                with self.subTest(dashboard=name, machine=machine):
                    self.assertEqual(
                        [self.value(name, title, node=machine[1])
                         for title in ("Daemons up", "Daemons down")],
                        [1 - down, down])

    def test_variables_offer_what_there_is(self):
        for dashboard in self.dashboards.values():
            def offered(name, cluster):
                return grafana.choices(self.prometheus, dashboard, name,
                                       values(cluster=cluster))
            self.assertEqual(offered("cluster", grafana.ALL), ["east", "west"])
            self.assertEqual(offered("node", grafana.ALL), [EAST[1], WEST[1]])
            self.assertEqual(offered("node", ["east", "west"]),
                             [EAST[1], WEST[1]])
            self.assertEqual(offered("node", "west"), [WEST[1]])

    def test_each_reason_occurs_that_can(self):
        reasons = {name.removeprefix("PAGE_REASON_")
                   for name in messages.PageReason.keys()[1:]}
        print("\nreason:", ", ".join(every_reason.METRICS), "pages")
        counted = {
            (labels["cluster"], metric, labels["reason"]): pages
            for metric in every_reason.METRICS
            for labels, pages in self.prometheus.query(
                f"sum by (cluster, reason) (pageferry_{metric}_pages_total)")}
        self.assertEqual(set(counted), {
            (cluster, metric, reason) for cluster in ("east", "west")
            for metric in every_reason.METRICS for reason in reasons})
        self.assertLessEqual(
            set(every_reason.IMPOSSIBLE),
            {(metric, reason) for _, metric, reason in counted})
        for reason in sorted(reasons):
            print(f"  {reason}:", *(int(counted["east", metric, reason])
                                    for metric in every_reason.METRICS))
        for (cluster, metric, reason), pages in counted.items():
            with self.subTest(cluster=cluster, metric=metric, reason=reason):
                cause = every_reason.IMPOSSIBLE.get((metric, reason))
                self.assertEqual(pages == 0, cause is not None, cause)

    def test_each_rule_is_healthy_and_each_record_has_data(self):
        rules = [rule for group in self.prometheus.get("rules")["groups"]
                 for rule in group["rules"]]
        self.assertGreater(len(rules), 10)
        for rule in rules:
            with self.subTest(rule=rule["name"]):
                self.assertEqual(rule["health"], "ok", rule.get("lastError"))
                if rule["type"] == "recording":
                    self.assertTrue(self.answer(rule["name"]))


if __name__ == "__main__":
    unittest.main()
