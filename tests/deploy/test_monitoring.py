"""Dashboards and rules against a real Prometheus that scrapes two real
daemons, on which everything goes wrong."""

import json
import re
import threading
import time
import unittest

from model_daemon import ROOT, ModelDaemon
from prometheus_server import Prometheus

# What Grafana puts in for variables. "All" is ".*", as the dashboards say.
VARIABLES = {"cluster": ".*", "mode": ".*", "__rate_interval": "20s"}
DEADLINE_S = 120


class BusyDaemon(ModelDaemon):
    """Its pages migrate there and back, all the time. Some calls are refused,
    some are dry runs, some have a budget that is too small."""

    CALLS = [("migrate", "--pid", "100", "--all", "--from", origin, "--to", to,
              "--mode", mode, *more)
             for mode in ("async", "sync-light", "sync")
             for more in ((), ("--dry-run",), ("--time-budget", "1ms"))
             for origin, to in (("0", "1"), ("1", "0"))] + [
        ("migrate", "--pid", "100", "--all", "--from", "0", "--to", "2",
         "--mode", "async"),
        ("migrate", "--pid", "9", "--all", "--to", "1", "--mode", "sync"),
        ("locate", "--pid", "100"), ("topology",), ("list",)]

    def __init__(self):
        super().__init__()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self):
        while not self._ending.is_set():
            for call in self.CALLS:
                self.cli(*call)

    def close(self):
        self._ending.set()
        self._thread.join()
        super().close()


def filled(expression, **variables):
    """With its variables put in, as Grafana does."""
    for name, value in {**VARIABLES, **variables}.items():
        expression = expression.replace(f"${name}", value)
    return expression


def expressions(dashboard):
    """(title of the panel, expression) of all there are."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


class Monitoring(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.daemons = {}
        for instance in ("machine-a", "machine-b"):
            cls.daemons[instance] = BusyDaemon()
            cls.addClassCleanup(cls.daemons[instance].close)
        cls.prometheus = Prometheus(
            ROOT / "deploy/prometheus/rules.yaml",
            {name: daemon.metrics_address()
             for name, daemon in cls.daemons.items()})
        cls.addClassCleanup(cls.prometheus.close)
        end = time.monotonic() + DEADLINE_S
        while len(cls.prometheus.query("pageferry_build_info")) < 2:
            assert time.monotonic() < end, "no two daemons were scraped"
            time.sleep(0.2)
        cls.dashboards = {
            name: json.loads((ROOT / f"deploy/grafana/{name}.json").read_text(
                "utf-8")) for name in ("fleet", "node")}

    def wait_for_series(self, expression):
        """The number of series, once there are some with a value."""
        end = time.monotonic() + DEADLINE_S
        while True:
            found = [value for _, value in self.prometheus.query(expression)
                     if value == value]  # a quantile of nothing is NaN
            if found or time.monotonic() > end:
                return len(found)
            time.sleep(0.5)

    def check_dashboard(self, name, node):
        print(f"\n{name}: panel, number of series")
        for title, expression in expressions(self.dashboards[name]):
            with self.subTest(panel=title, expression=expression):
                query = filled(expression, node=node)
                self.assertNotIn("$", query)
                series = self.wait_for_series(query)
                print(f"  {series:>4}  {title}")
                self.assertGreater(series, 0)

    def test_each_panel_of_fleet_has_data(self):
        self.check_dashboard("fleet", ".*")

    def test_each_panel_of_node_has_data(self):
        self.check_dashboard("node", "machine-a")

    def test_failures_and_retries_have_every_reason_that_is_caused(self):
        for metric in ("failed", "retried"):
            for reason in ("LOCKED", "PINNED", "BUSY"):
                self.assertGreater(self.wait_for_series(
                    f"pageferry_{metric}_pages_total{{reason=\"{reason}\"}} "
                    "> 0"), 0, f"{metric} {reason}")

    def test_annotations_and_variables_can_be_evaluated(self):
        for dashboard in self.dashboards.values():
            for annotation in dashboard["annotations"]["list"]:
                self.prometheus.query(
                    filled(annotation["target"]["expr"], node=".*"))
            for variable in dashboard["templating"]["list"]:
                if variable["type"] != "query" or variable["name"] != "node":
                    continue
                metric, label = re.fullmatch(
                    r"label_values\((.*), (\w+)\)",
                    filled(variable["query"]["query"])).groups()
                self.wait_for_series(metric)
                self.assertEqual(
                    {labels[label] for labels, _
                     in self.prometheus.query(metric)}, set(self.daemons))

    def test_each_rule_is_healthy_and_each_record_has_data(self):
        end = time.monotonic() + DEADLINE_S
        while True:
            rules = [rule for group in self.prometheus.get("rules")["groups"]
                     for rule in group["rules"]]
            if all(rule["health"] != "unknown" for rule in rules) or (
                    time.monotonic() > end):
                break
            time.sleep(0.5)
        self.assertGreater(len(rules), 10)
        for rule in rules:
            with self.subTest(rule=rule["name"]):
                self.assertEqual(rule["health"], "ok", rule.get("lastError"))
                if rule["type"] == "recording":
                    self.assertGreater(self.wait_for_series(rule["name"]), 0)


if __name__ == "__main__":
    unittest.main()
