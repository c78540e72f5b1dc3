"""The dashboard Fleet: all daemons of a cluster in one look."""

from panels import (Layout, annotation, bars, dashboard, series, stat, variable)

UID = "pageferry-fleet"
ALL = 'cluster=~"$cluster", instance=~"$node"'
BY_MODE = ALL + ', mode=~"$mode"'
# Reasons that somebody can do something about (rules.yaml).
ACTIONABLE = ('reason=~"LOCKED|WRITEBACK|DIRTY|PINNED|BUSY|NO_MEMORY|'
              'NUMA_HINT|IO_ERROR"')
RATE = "[$__rate_interval]"
MOVED = f"rate(pageferry_moved_pages_total{{{BY_MODE}}}{RATE})"
FAILED = f"rate(pageferry_failed_pages_total{{{BY_MODE}, {ACTIONABLE}}}{RATE})"

VARIABLES = [
    variable("cluster", "Cluster",
             "label_values(pageferry_build_info, cluster)", True),
    variable("node", "Node",
             'label_values(pageferry_build_info{cluster=~"$cluster"}, '
             "instance)", True),
]
ANNOTATIONS = [
    annotation("Restarts", "blue",
               f"changes(process_start_time_seconds{{job=\"pageferry\", {ALL}}}"
               "[2m]) > 0", "{{instance}} restarted"),
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


def overview(layout):
    layout.row("Now")
    layout.add(stat(
        "Daemons up", "Daemons that Prometheus reaches.", "short",
        f'sum(up{{job="pageferry", {ALL}}})',
        [(None, "red"), (1, "green")], 0), 4, 4)
    layout.add(stat(
        "Daemons down", "Daemons that Prometheus knows of and does not reach.",
        "short", f'count(up{{job="pageferry", {ALL}}} == 0) or vector(0)',
        [(None, "green"), (1, "red")], 0), 4, 4)
    layout.add(stat(
        "Pages moved", "Base pages that reach their destination, a second.",
        "short", f"sum({MOVED})", [(None, "green")]), 4, 4)
    layout.add(stat(
        "Success ratio",
        "Of the pages that could move, those that did. Holes, zero, swapped "
        "and shared pages are ordinary in lists and do not count.",
        "percentunit",
        f"sum({MOVED}) / (sum({MOVED}) + sum({FAILED}) > 0)",
        [(None, "red"), (0.8, "orange"), (0.95, "green")]), 4, 4)
    layout.add(stat(
        "In flight", "Migrations that run now.", "short",
        f"sum(pageferry_migrations_in_flight{{{BY_MODE}}})",
        [(None, "green")], 0), 4, 4)
    layout.add(stat(
        "Queued", "Migrations that wait for others to end.", "short",
        f"sum(pageferry_migrations_queued{{{BY_MODE}}})",
        [(None, "green"), (10, "orange")], 0), 4, 4)


def movement(layout):
    layout.row("What moves")
    direction = "{{source_node}} to {{destination_node}}"
    by_direction = "sum by (source_node, destination_node)"
    layout.add(series(
        "Pages by direction", "Base pages moved a second, from NUMA node to "
        "NUMA node.", "short", {direction: f"{by_direction} ({MOVED})"}), 12)
    layout.add(series(
        "Bytes by direction", "Bytes moved a second. More than the pages where "
        "huge pages took companions along.", "Bps",
        {direction: f"{by_direction} (rate(pageferry_moved_bytes_total"
                    f"{{{BY_MODE}}}{RATE}))"}), 12)
    layout.add(series(
        "Ends of migrations", "Migrations that ended a second, by how.",
        "short", {"{{stop_reason}}": "sum by (stop_reason) (rate("
                  f"pageferry_migrations_total{{{BY_MODE}}}{RATE}))"},
        stacked=True), 12)
    layout.add(series(
        "Requests refused", "Calls a second that were refused, by reason.",
        "short", {"{{reason}}": "sum by (reason) (rate("
                  f"pageferry_rejected_requests_total{{{ALL}}}{RATE}))"},
        stacked=True), 12)


def reasons(layout):
    layout.row("Why pages do not move")
    for title, metric, description in (
            ("Failures by reason", "failed",
             "Pages a second that did not move, by the last reason."),
            ("Retries by reason", "retried",
             "Times a second that a page said \"again\", by reason: one for "
             "each page and pass."),
            ("Recovered by reason", "recovered",
             "Pages a second that moved after at least one retry, by what had "
             "been in the way.")):
        layout.add(series(
            title, description, "short",
            {"{{reason}}": "sum by (reason) (rate(pageferry_"
                           f"{metric}_pages_total{{{BY_MODE}}}{RATE}))"},
            stacked=True), 8)


def comparison(layout):
    layout.row("Nodes")
    by_node = "sum by (cluster, instance)"
    layout.add(bars(
        "Worst nodes", "The ten machines with the highest ratio of failures "
        "worth acting on, over five minutes. A click opens the machine.",
        "percentunit",
        {"{{instance}}": "topk(10, instance:pageferry_failed_pages:"
                         f"ratio_rate5m{{{ALL}}})"}, TO_NODE), 12)
    layout.add(series(
        "Success ratio by node", "As above, over time, of each machine.",
        "percentunit",
        {"{{instance}}": f"{by_node} ({MOVED}) / ({by_node} ({MOVED}) + "
                         f"{by_node} ({FAILED}) > 0)"}, max=1,
        links=[TO_NODE]), 12)


def capacity(layout):
    layout.row("Room")
    tiers = ("on (cluster, instance, node) group_left (tier) count_values "
             'by (cluster, instance, node) ("tier", '
             f"pageferry_node_tier{{{ALL}}})")
    for title, kind, description in (
            ("Free memory by tier", "free",
             "Free memory of all machines, by the kernel's memory tier; "
             "smaller numbers are faster."),
            ("Memory by tier", "total", "Memory of all machines, by tier.")):
        layout.add(series(
            title, description, "bytes",
            {"tier {{tier}}": "sum by (tier) (pageferry_node_memory_bytes{"
                              f'kind="{kind}", {ALL}}} * {tiers})'},
            stacked=True), 12)


def build():
    layout = Layout()
    for part in (overview, movement, reasons, comparison, capacity):
        part(layout)
    return dashboard(
        UID, "Pageferry / Fleet",
        "Which pages move, which do not, and why: all machines.", layout,
        VARIABLES, ANNOTATIONS, [dashboard_link("Node", "pageferry-node")])


DASHBOARD = build()
