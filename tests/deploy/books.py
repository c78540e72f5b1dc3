"""What clients were told of their migrations, as the counters that must say the
same."""

import collections
import re

from events import Events

# {family without prefix and suffix: labels by which it is added up}
FAMILIES = {
    "requested_pages": ("mode",),
    "moved_pages": ("mode", "destination_node"),
    "moved_bytes": ("mode",),
    "already_placed_pages": ("mode",),
    "failed_pages": ("mode", "reason"),
    "not_attempted_pages": ("mode",),
    "companion_pages": ("mode",),
    "retried_pages": ("mode", "reason"),
    "recovered_pages": ("mode",),
    "migrations": ("method", "mode", "stop_reason"),
}
# Those of pages that were not attempted; all others are of failures.
STOPS = ("PROCESS_EXITED", "PERMISSION_LOST", "CANCELLED", "TIME_BUDGET",
         "DRAINING", "ABORTED")
SAMPLE = re.compile(r"pageferry_(\w+)_total\{(.*)\}")


def counted(daemon):
    """{(family, values of its labels): sum} of one scrape, without zeroes."""
    sums = collections.Counter()
    for name, value in daemon.metrics().items():
        sample = SAMPLE.fullmatch(name)
        if sample is None or sample[1] not in FAMILIES:
            continue
        labels = dict(re.findall(r'(\w+)="([^"]*)"', sample[2]))
        sums[(sample[1], *(labels[label] for label
                           in FAMILIES[sample[1]]))] += int(value)
    return +sums


class Books:
    """Keeps account of migrations. `told`: as counted() has it."""

    def __init__(self):
        self.told = collections.Counter()

    def _add(self, family, *labels, count=1):
        self.told[(family, *labels)] += count

    def add_summary(self, method, mode, summary):
        """What the summary alone says; `summary` in protobuf's JSON."""
        for name in ("requested_pages", "moved_bytes", "already_placed_pages",
                     "companion_pages"):
            self._add(name, mode, count=int(summary.get(name, 0)))
        for place in summary.get("moved_to", ()):
            self._add("moved_pages", mode, str(place.get("node", 0)),
                      count=int(place["page_count"]))
        for entry in summary.get("failures", ()):
            reason = entry["reason"].removeprefix("PAGE_REASON_")
            pages = int(entry["page_count"])
            if reason in STOPS:
                self._add("not_attempted_pages", mode, count=pages)
            else:
                self._add("failed_pages", mode, reason, count=pages)
        self._add("migrations", method, mode,
                  summary["stop_reason"].removeprefix("STOP_REASON_"))

    def add(self, method, mode, text):
        """All that a client was told; `text`: what it printed."""
        events = Events(text)
        self.add_summary(method, mode, events.summary)
        for one in events.passes:
            for entry in one.get("retry_reasons", ()):
                self._add("retried_pages", mode,
                          entry["reason"].removeprefix("PAGE_REASON_"),
                          count=int(entry["page_count"]))
        # Whatever was tried more than once was told to come again.
        self._add("recovered_pages", mode, count=sum(
            page["outcome"] == "PAGE_OUTCOME_MOVED" and page["passes"] > 1
            for page in events.pages.values()))

    def add_unseen(self, method, mode, summary, reason):
        """Of a migration whose client has gone: only pages that in the end did
        not move were told to come again, all for one reason."""
        self.add_summary(method, mode, summary)
        self._add("retried_pages", mode, reason,
                  count=int(summary.get("retried_pages", 0)))
