"""Reads what `pageferry --json migrate` prints."""

import collections
import json

PAGE = 4096


class Events:
    """The events of one migration, as `pageferry --json migrate` prints
    them."""

    def __init__(self, text):
        self.started = self.summary = None
        self.passes = []
        self.pages = {}
        self.doubles = []
        for line in text.splitlines():
            event = json.loads(line)
            if "started" in event:
                self.started = event["started"]
            if "pass_completed" in event:
                self.passes.append(event["pass_completed"])
            if "summary" in event:
                self.summary = event["summary"]
            for result in event.get("results", {}).get("results", []):
                self._add(result)

    def _add(self, result):
        start = int(result["start_address"])
        for i in range(result["page_count"]):
            address = start + i * PAGE
            if address in self.pages:
                self.doubles.append(address)
            self.pages[address] = result

    def count(self, name):
        """A figure of the summary, such as "moved_pages"."""
        return int(self.summary.get(name, 0))

    def failures(self):
        """Failed and not attempted pages by reason, without prefix."""
        return {
            entry["reason"].removeprefix("PAGE_REASON_"):
                int(entry["page_count"])
            for entry in self.summary.get("failures", [])
        }

    def by_outcome(self):
        counts = {}
        for result in self.pages.values():
            key = result["outcome"].removeprefix("PAGE_OUTCOME_")
            if "reason" in result:
                key += " " + result["reason"].removeprefix("PAGE_REASON_")
            counts[key] = counts.get(key, 0) + 1
        return counts


def count_text(values):
    """"A 3, B 1": how often each value comes."""
    counts = collections.Counter(values)
    return ", ".join(f"{value} {counts[value]}" for value in sorted(counts))
