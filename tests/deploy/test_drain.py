"""The annotations of the dashboards, on a daemon that drains and is started
again."""

import signal
import time
import unittest

import every_reason
import grafana
from daemon import wait_for
from every_reason import messages, wire_daemon
from model_daemon import ROOT, ModelDaemon
from monitored import NARROW, talkative
from prometheus_server import Prometheus

RULES = ROOT / "deploy/prometheus/rules.yaml"
NAME = ("east", "machine.1:9464")
VALUES = {"cluster": grafana.ALL, "node": NAME[1], "mode": grafana.ALL}


class Drain(unittest.TestCase):

    def start(self):
        daemon = ModelDaemon(every_reason.SCENARIO)
        self.addCleanup(daemon.close)
        return daemon

    def setUp(self):
        self.begin = time.time()
        self.daemon = self.start()
        self.prometheus = Prometheus(
            RULES, {NAME: self.daemon.metrics_address()})
        self.addCleanup(self.prometheus.close)
        wait_for(lambda: self.prometheus.query("pageferry_build_info"),
                 "a scrape")

    def marks(self, name):
        """{dashboard: series} of an annotation so far."""
        found = {}
        for one in grafana.NAMES:
            dashboard = grafana.load(one)
            query = grafana.filled(grafana.annotations(dashboard)[name],
                                   dashboard, VALUES)
            found[one] = self.prometheus.query_range(
                query, (self.begin, time.time()))
        return found

    def check_marks(self, name):
        """That there are some, and soon, on both dashboards, of the machine."""
        wait_for(lambda: all(self.marks(name).values()), name)
        for series in self.marks(name).values():
            self.assertEqual([labels["instance"] for labels, _ in series],
                             [NAME[1]])

    def check_no_marks(self, name):
        self.assertEqual(self.marks(name), {one: [] for one in grafana.NAMES})

    def drain(self, while_draining):
        """Asks the daemon to end while a migration waits for its reader, and
        returns what that was told in the end."""
        client = wire_daemon.Daemon(self.daemon.endpoint, NARROW)
        self.addCleanup(client.close)
        call = client.migrate_pages(talkative())
        wait_for(lambda: self.prometheus.query(
            "pageferry_migrations_in_flight > 0"), "a migration")
        self.daemon.process.send_signal(signal.SIGTERM)
        try:
            while_draining()
        finally:
            told = wire_daemon.read_migration(call)
            self.daemon.process.wait()
        return told

    def test_a_drain_is_marked(self):
        self.check_no_marks("Drains")
        told = self.drain(lambda: self.check_marks("Drains"))
        self.assertEqual(told.summary.stop_reason,
                         messages.STOP_REASON_DRAINING)
        self.assertEqual(self.daemon.process.returncode, 0)

    def test_a_restart_is_marked(self):
        self.check_no_marks("Restarts")
        self.daemon.process.send_signal(signal.SIGTERM)
        self.daemon.process.wait()
        again = self.start()
        self.prometheus.scrape({NAME: again.metrics_address()})
        self.check_marks("Restarts")


if __name__ == "__main__":
    unittest.main()
