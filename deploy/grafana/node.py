"""The dashboard Node: one daemon, closely."""

import fleet
from fleet import ALL, ANNOTATIONS, BY_MODE, RATE, dashboard_link
from panels import Layout, dashboard, heatmap, series, stat, variable

UID = "pageferry-node"
VARIABLES = [
    fleet.VARIABLES[0],
    variable("node", "Node",
             'label_values(pageferry_build_info{cluster=~"$cluster"}, '
             "instance)", False, None),
]


def kernel(layout):
    layout.row("The kernel")
    layout.add(heatmap(
        "Length of kernel calls", "How long single calls that move pages take: "
        "for that time a migration cannot be cancelled. Aims: 2 ms for async, "
        "20 ms for sync-light.", "s",
        {"{{le}}": "sum by (le) (increase("
         f"pageferry_kernel_call_duration_seconds_bucket{{{BY_MODE}}}{RATE}))"
         }), 12)
    layout.add(series(
        "90 % of kernel calls are shorter than", "As on the left, by mode.",
        "s",
        {"{{mode}}": "histogram_quantile(0.9, sum by (mode, le) (rate("
         f"pageferry_kernel_call_duration_seconds_bucket{{{BY_MODE}}}{RATE})))"
         }), 12)
    layout.add(series(
        "Kernel's own counters", "Page migration, demotion, promotion and NUMA "
        "balancing in /proc/vmstat, a second: the whole machine's, whoever "
        "moves the pages.", "short",
        {"{{event}}": f"rate(pageferry_kernel_events_total{{{ALL}}}{RATE})"}),
        12)
    layout.add(series(
        "Corrections", "Results a second that the kernel's own statuses would "
        "have got wrong, or did not give.", "short",
        {"{{kind}}": "sum by (kind) (rate(pageferry_status_corrections_total"
                     f"{{{ALL}}}{RATE}))"}), 12)


def work(layout):
    layout.row("Migrations")
    layout.add(series(
        "In flight and queued", "Migrations that run, and that wait.", "short",
        {"in flight, {{mode}}": f"pageferry_migrations_in_flight{{{BY_MODE}}}",
         "queued, {{mode}}": f"pageferry_migrations_queued{{{BY_MODE}}}"}), 8)
    layout.add(series(
        "Length of migrations", "Nine of ten are shorter, by mode.", "s",
        {"{{mode}}": "histogram_quantile(0.9, sum by (mode, le) (rate("
         f"pageferry_migration_duration_seconds_bucket{{{BY_MODE}}}{RATE})))"}),
        8)
    layout.add(series(
        "Passes", "Passes that nine of ten migrations need at most, by mode.",
        "short",
        {"{{mode}}": "histogram_quantile(0.9, sum by (mode, le) (rate("
         f"pageferry_migration_passes_bucket{{{BY_MODE}}}{RATE})))"}), 8)
    layout.add(series(
        "Pages by outcome", "Pages a second, by what became of them. Those of "
        "dry runs count as validated only.", "short",
        {outcome.replace("_", " "):
         f"sum(rate(pageferry_{outcome}_pages_total{{{BY_MODE}}}{RATE}))"
         for outcome in ("moved", "already_placed", "failed", "not_attempted",
                         "companion", "validated")}, stacked=True), 12)
    layout.add(series(
        "Waiting for clients", "Seconds in each second for which migrations "
        "waited for readers.", "s",
        {"waited": f"rate(pageferry_stream_stall_seconds_total{{{ALL}}}"
                   f"{RATE})"}), 12)


def service(layout):
    layout.row("Calls")
    grpc = f'job="pageferry", {ALL}'
    layout.add(series(
        "Calls", "gRPC calls that ended, a second.", "short",
        {"{{grpc_method}}": "sum by (grpc_method) (rate("
                            f"grpc_server_handled_total{{{grpc}}}{RATE}))"}), 8)
    layout.add(series(
        "Errors", "gRPC calls a second that did not end with OK.", "short",
        {"{{grpc_method}} {{grpc_code}}":
         "sum by (grpc_method, grpc_code) (rate(grpc_server_handled_total{"
         f'grpc_code!="OK", {grpc}}}{RATE})) > 0'}), 8)
    layout.add(series(
        "Length of calls", "Nine of ten are shorter, by method.", "s",
        {"{{grpc_method}}": "histogram_quantile(0.9, sum by (grpc_method, le) "
         f"(rate(grpc_server_handling_seconds_bucket{{{grpc}}}{RATE})))"}), 8)


def machine(layout):
    layout.row("The machine")
    layout.add(series(
        "Memory of each NUMA node", "Free, and in use for files and for "
        "anonymous memory.", "bytes",
        {"node {{node}} {{kind}}": "pageferry_node_memory_bytes{"
                                   f'kind!="total", {ALL}}}'}), 12)
    layout.add(series(
        "Capabilities", "1: there; 0: missing. pageferry capabilities says "
        "what the lack of each costs.", "short",
        {"{{name}}": f"pageferry_capability{{{ALL}}}"}, max=1), 12)
    layout.add(series(
        "CPU of the daemon", "Seconds of CPU a second.", "s",
        {"CPU": f'rate(process_cpu_seconds_total{{job="pageferry", {ALL}}}'
                f"{RATE})"}), 8)
    layout.add(series(
        "Memory of the daemon", "Resident memory.", "bytes",
        {"resident": 'process_resident_memory_bytes{job="pageferry", '
                     f"{ALL}}}"}), 8)
    layout.add(stat(
        "Uptime", "Since the daemon was started.", "s",
        f'time() - process_start_time_seconds{{job="pageferry", {ALL}}}',
        [(None, "green")]), 8)


def build():
    layout = Layout()
    for part in (fleet.overview, fleet.movement, fleet.reasons, work, kernel,
                 service, machine):
        part(layout)
    return dashboard(
        UID, "Pageferry / Node",
        "Which pages move, which do not, and why: one machine.", layout,
        VARIABLES, ANNOTATIONS, [dashboard_link("Fleet", fleet.UID)])


DASHBOARD = build()
