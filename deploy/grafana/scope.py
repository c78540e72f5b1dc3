"""What a dashboard's queries look at: the machines of its variables."""

from panels import annotation

RATE = "[$__rate_interval]"
# Reasons that somebody can do something about (rules.yaml).
ACTIONABLE = ('reason=~"LOCKED|WRITEBACK|DIRTY|PINNED|BUSY|NO_MEMORY|'
              'NUMA_HINT|IO_ERROR"')


class Scope:
    """`node`: how an instance is told by the variable of that name. Grafana
    escapes the values of a variable that can have several, so that they can
    stand in an expression; that of a variable with one value it leaves as it
    is, and names of instances are full of dots."""

    def __init__(self, node):
        self.all = f'cluster=~"$cluster", {node}'
        self.by_mode = self.all + ', mode=~"$mode"'
        self.process = f'job="pageferry", {self.all}'
        self.moved = self.rate("pageferry_moved_pages_total")
        self.failed = self.rate("pageferry_failed_pages_total",
                                f"{self.by_mode}, {ACTIONABLE}")

    def rate(self, counter, matchers=None):
        return f"rate({counter}{{{matchers or self.by_mode}}}{RATE})"

    def most(self, histogram, by, matchers=None):
        """What nine of ten are under; nothing where there were none."""
        return (f"histogram_quantile(0.9, sum by ({by}, le) "
                f"({self.rate(histogram + '_bucket', matchers)})) >= 0")

    def annotations(self):
        return [
            annotation(
                "Restarts", "blue", "changes(process_start_time_seconds"
                f"{{{self.process}}}[2m]) > 0", "{{instance}} restarted"),
            annotation(
                "Drains", "orange", "max_over_time(pageferry_draining"
                f"{{{self.process}}}[1m]) > 0", "{{instance}} drains"),
        ]


SEVERAL = Scope('instance=~"$node"')
ONE = Scope('instance="$node"')
