"""What calls an operator, and what he then reads: each alert has a test and a
section in deploy/README.md, asks for what a daemon serves, and names commands
that there are."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
import daemon  # noqa: E402, pylint: disable=wrong-import-position

DEPLOY = ROOT / "deploy"


def help_of(program, *subcommand):
    return subprocess.run(
        [os.path.join(daemon.BIN, program), *subcommand, "--help"],
        stdout=subprocess.PIPE, text=True, check=True).stdout


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


class Runbook(unittest.TestCase):

    def setUp(self):
        self.rules = (DEPLOY / "prometheus/rules.yaml").read_text("utf-8")
        self.alerts = re.findall(r"- alert: (\w+)", self.rules)
        text = (DEPLOY / "README.md").read_text("utf-8")
        runbook = text.partition("\n## When an alert fires\n")[2]
        titles_and_texts = re.split(r"^### (.*)\n", runbook, flags=re.M)[1:]
        self.sections = dict(zip(titles_and_texts[::2], titles_and_texts[1::2]))

    def test_each_alert_has_a_section(self):
        self.assertEqual(list(self.sections), self.alerts)
        self.assertEqual(
            [name.lower() for name in self.alerts],
            re.findall(r"runbook: deploy/README\.md#(\w+)", self.rules))

    def test_each_section_looks_with_commands_that_there_are(self):
        client = help_of("pageferry")
        subcommands = {
            name: options(help_of("pageferry", name)) for name in re.findall(
                r"^  (\w+) ", client.partition("\nSubcommands:\n")[2], re.M)}
        known = options(client + help_of("pageferryd")).union(
            *subcommands.values())
        for alert, text in self.sections.items():
            with self.subTest(alert=alert):
                spans = re.findall(r"`([^`]+)`", text)
                commands = [span.split()[1:] for span in spans
                            if span.startswith("pageferry ")]
                self.assertTrue(commands)
                for subcommand, *more in commands:
                    self.assertIn(subcommand, subcommands)
                    self.assertLessEqual(options(" ".join(more)),
                                         subcommands[subcommand])
                for span in spans:
                    if span.startswith("--"):
                        self.assertLessEqual(options(span), known)

    def test_each_alert_is_seen_to_fire(self):
        """And to stay silent: the lists of expected alerts are whole, and
        other machines stand next to the one that is meant."""
        for alert in self.alerts:
            with self.subTest(alert=alert):
                expected = re.findall(
                    rf"alertname: {alert}\n +exp_alerts:(.*)", rule_tests())
                self.assertIn("", expected)  # a list follows
                self.assertIn(" []", expected)


def rule_tests():
    return "".join(path.read_text("utf-8") for path in sorted(
        (DEPLOY / "prometheus").glob("*_test.yaml")))


def values(samples, family, label):
    """Of a label, in lines that begin with a sample's name and labels."""
    return {match[1] for sample in samples if (match := re.match(
        rf'{family}{{.*\b{label}="([^"]*)"', sample))}


class AgainstADaemon(unittest.TestCase):
    """A mistyped name in a rule, and in its test, would never be found by
    promtool: the alert would be silent for ever."""

    @classmethod
    def setUpClass(cls):
        process = daemon.Daemon(wait_ready=False)
        try:
            cls.served = process.metrics()
        finally:
            process.close()

    def test_each_metric_that_a_rule_asks_for_is_served(self):
        rules = (DEPLOY / "prometheus/rules.yaml").read_text("utf-8")
        asked = set(re.findall(
            r"(?<![\w:])(?:pageferry|process)_\w+(?=[{\[\s])", rules))
        self.assertGreater(len(asked), 8)
        self.assertLessEqual(
            asked, {name.partition("{")[0] for name in self.served})

    def test_rules_are_tested_with_each_reason_and_capability(self):
        """A new one has to be thought of."""
        tested = re.findall(r"- series: '(.*)'", rule_tests())
        for family, label in (("pageferry_failed_pages_total", "reason"),
                              ("pageferry_rejected_requests_total", "reason"),
                              ("pageferry_capability", "name")):
            with self.subTest(family=family):
                self.assertEqual(values(tested, family, label),
                                 values(self.served, family, label))


if __name__ == "__main__":
    unittest.main()
