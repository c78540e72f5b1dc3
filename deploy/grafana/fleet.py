"""The dashboard Fleet: all daemons of a cluster in one look."""

from panels import Layout, bars, dashboard, series, stat, variable
from scope import SEVERAL

UID = "pageferry-fleet"
VARIABLES = [
    variable("cluster", "Cluster",
             "label_values(pageferry_build_info, cluster)", True),
    variable("node", "Node",
             'label_values(pageferry_build_info{cluster=~"$cluster"}, '
             "instance)", True),
]

# The variables that both dashboards have, as they stand.
SHARED = "${datasource:queryparam}&${cluster:queryparam}&${mode:queryparam}"


def dashboard_link(title, uid):
    """For the top of a dashboard: keeps the time and what both have."""
    return {"type": "link", "title": title, "url": f"/d/{uid}?{SHARED}",
            "icon": "dashboard", "keepTime": True, "includeVars": False,
            "asDropdown": False, "targetBlank": False, "tags": [],
            "tooltip": title}


# From a series to its machine.
TO_NODE = {"title": "Node ${__field.labels.instance}", "targetBlank": False,
           "url": "/d/pageferry-node?${__url_time_range}&var-node="
                  f"${{__field.labels.instance}}&{SHARED}"}


def overview(layout, scope):
    layout.row("Now")
    layout.add(stat(
        "Daemons up", "Daemons that Prometheus reaches.", "short",
        f"sum(up{{{scope.process}}})",
        [(None, "red"), (1, "green")], 0), 4, 4)
    layout.add(stat(
        "Daemons down", "Daemons that Prometheus knows of and does not reach.",
        "short", f"count(up{{{scope.process}}} == 0) or vector(0)",
        [(None, "green"), (1, "red")], 0), 4, 4)
    layout.add(stat(
        "Pages moved", "Base pages that reach their destination, a second.",
        "short", f"sum({scope.moved})", [(None, "green")]), 4, 4)
    layout.add(stat(
        "Success ratio",
        "Of the pages that could move, those that did. Holes, zero, swapped "
        "and shared pages are ordinary in lists and do not count.",
        "percentunit",
        f"sum({scope.moved}) / (sum({scope.moved}) + sum({scope.failed}) > 0)",
        [(None, "red"), (0.8, "orange"), (0.95, "green")],
        noValue="idle"), 4, 4)
    layout.add(stat(
        "In flight", "Migrations that run now.", "short",
        f"sum(pageferry_migrations_in_flight{{{scope.by_mode}}})",
        [(None, "green")], 0), 4, 4)
    layout.add(stat(
        "Queued", "Migrations that wait for others to end.", "short",
        f"sum(pageferry_migrations_queued{{{scope.by_mode}}})",
        [(None, "green"), (10, "orange")], 0), 4, 4)


def movement(layout, scope):
    layout.row("What moves")
    direction = "{{source_node}} to {{destination_node}}"
    by_direction = "sum by (source_node, destination_node)"
    rejected = "pageferry_rejected_requests_total"
    layout.add(series(
        "Pages by direction", "Base pages moved a second, from NUMA node to "
        "NUMA node.", "short",
        {direction: f"{by_direction} ({scope.moved})"}), 12)
    layout.add(series(
        "Bytes by direction", "Bytes moved a second. More than the pages where "
        "huge pages took companions along.", "Bps",
        {direction: f"{by_direction} "
                    f"({scope.rate('pageferry_moved_bytes_total')})"}), 12)
    layout.add(series(
        "Ends of migrations", "Migrations that ended a second, by how.",
        "short", {"{{stop_reason}}": "sum by (stop_reason) "
                  f"({scope.rate('pageferry_migrations_total')})"},
        stacked=True), 12)
    layout.add(series(
        "Requests refused", "Calls a second that were refused, by reason.",
        "short", {"{{reason}}": "sum by (reason) "
                  f"({scope.rate(rejected, scope.all)})"}, stacked=True), 12)


def reasons(layout, scope):
    layout.row("Why pages do not move")
    for title, counter, description in (
            ("Failures by reason", "pageferry_failed_pages_total",
             "Pages a second that did not move, by the last reason."),
            ("Retries by reason", "pageferry_retried_pages_total",
             "Times a second that a page said \"again\", by reason: one for "
             "each page and pass."),
            ("Recovered by reason", "pageferry_recovered_pages_total",
             "Pages a second that moved after at least one retry, by what had "
             "been in the way.")):
        layout.add(series(
            title, description, "short",
            {"{{reason}}": f"sum by (reason) ({scope.rate(counter)})"},
            stacked=True), 8)


def comparison(layout, scope):
    layout.row("Nodes")
    moved, failed = (f"sum by (cluster, instance) ({pages})"
                     for pages in (scope.moved, scope.failed))
    layout.add(bars(
        "Worst nodes", "The ten machines with the highest ratio of failures "
        "worth acting on, over five minutes. A click opens the machine.",
        "percentunit",
        {"{{instance}}": "topk(10, instance:pageferry_failed_pages:"
                         f"ratio_rate5m{{{scope.all}}})"}, TO_NODE,
        noValue="Nothing was to be moved."), 12)
    layout.add(series(
        "Success ratio by node", "As above, over time, of each machine.",
        "percentunit",
        {"{{instance}}": f"{moved} / ({moved} + {failed} > 0)"},
        max=1, links=[TO_NODE], noValue="Nothing was to be moved."), 12)


def capacity(layout, scope):
    layout.row("Room")
    tiers = ("on (cluster, instance, node) group_left (tier) count_values "
             'by (cluster, instance, node) ("tier", '
             f"pageferry_node_tier{{{scope.all}}})")
    for title, kind, description in (
            ("Free memory by tier", "free",
             "Free memory of all machines, by the kernel's memory tier; "
             "smaller numbers are faster."),
            ("Memory by tier", "total", "Memory of all machines, by tier.")):
        layout.add(series(
            title, description, "bytes",
            {"tier {{tier}}": "sum by (tier) (pageferry_node_memory_bytes{"
                              f'kind="{kind}", {scope.all}}} * {tiers})'},
            stacked=True, noValue="The kernel tells of no tiers."), 12)


def build():
    layout = Layout()
    for part in (overview, movement, reasons, comparison, capacity):
        part(layout, SEVERAL)
    return dashboard(
        UID, "Pageferry / Fleet",
        "Which pages move, which do not, and why: all machines.", layout,
        VARIABLES, SEVERAL.annotations(),
        [dashboard_link("Node", "pageferry-node")])


DASHBOARD = build()
