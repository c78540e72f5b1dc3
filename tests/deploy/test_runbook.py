"""Each alert has its section in deploy/README.md, and a test."""

import pathlib
import re
import unittest

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"


class Runbook(unittest.TestCase):

    def setUp(self):
        rules = (DEPLOY / "prometheus/rules.yaml").read_text("utf-8")
        self.alerts = re.findall(r"- alert: (\w+)", rules)
        self.runbooks = re.findall(r"runbook: deploy/README\.md#(\w+)", rules)

    def test_each_alert_has_a_section(self):
        text = (DEPLOY / "README.md").read_text("utf-8")
        sections = re.findall(r"^### (\w+)$", text, re.MULTILINE)
        self.assertEqual(sections, self.alerts)
        self.assertEqual([name.lower() for name in sections], self.runbooks)

    def test_each_alert_is_seen_to_fire(self):
        """And to stay silent: the lists of expected alerts are whole, and
        other machines stand next to the one that is meant."""
        tests = (DEPLOY / "prometheus/rules_test.yaml").read_text("utf-8")
        for alert in self.alerts:
            with self.subTest(alert=alert):
                expected = re.findall(
                    rf"alertname: {alert}\n +exp_alerts:(.*)", tests)
                self.assertIn("", expected)  # a list follows


if __name__ == "__main__":
    unittest.main()
