"""The dashboard Node: one daemon, closely."""

import fleet
from fleet import dashboard_link
from panels import Layout, dashboard, heatmap, series, stat, variable
from scope import ONE, RATE

UID = "pageferry-node"
VARIABLES = [
    fleet.VARIABLES[0],
    variable("node", "Node",
             'label_values(pageferry_build_info{cluster=~"$cluster"}, '
             "instance)", False, None),
]


def kernel(layout, scope):
    layout.row("The kernel")
    calls = "pageferry_kernel_call_duration_seconds"
    events = "pageferry_kernel_events_total"
    corrections = "pageferry_status_corrections_total"
    layout.add(heatmap(
        "Length of kernel calls", "How long single calls that move pages take: "
        "for that time a migration cannot be cancelled. Aims: 2 ms for async, "
        "20 ms for sync-light.", "s",
        {"{{le}}": f"sum by (le) (increase({calls}_bucket"
                   f"{{{scope.by_mode}}}{RATE}))"}), 12)
    layout.add(series(
        "90 % of kernel calls are shorter than", "As on the left, by mode.",
        "s", {"{{mode}}": scope.most(calls, "mode")},
        noValue="No kernel calls."), 12)
    layout.add(series(
        "Kernel's own counters", "Page migration, demotion, promotion and NUMA "
        "balancing in /proc/vmstat, a second: the whole machine's, whoever "
        "moves the pages.", "short",
        {"{{event}}": scope.rate(events, scope.all)}), 12)
    layout.add(series(
        "Corrections", "Results a second that the kernel's own statuses would "
        "have got wrong, or did not give.", "short",
        {"{{kind}}": f"sum by (kind) ({scope.rate(corrections, scope.all)})"}),
        12)


def work(layout, scope):
    layout.row("Migrations")
    layout.add(series(
        "In flight and queued", "Migrations that run, and that wait.", "short",
        {f"{state}, {{{{mode}}}}": f"pageferry_migrations_"
         f"{state.replace(' ', '_')}{{{scope.by_mode}}}"
         for state in ("in flight", "queued")}), 8)
    layout.add(series(
        "Length of migrations", "Nine of ten are shorter, by mode.", "s",
        {"{{mode}}": scope.most("pageferry_migration_duration_seconds",
                                "mode")}, noValue="No migrations."), 8)
    layout.add(series(
        "Passes", "Passes that nine of ten migrations need at most, by mode.",
        "short",
        {"{{mode}}": scope.most("pageferry_migration_passes", "mode")},
        noValue="No migrations."), 8)
    layout.add(series(
        "Pages by outcome", "Pages a second, by what became of them. Those of "
        "dry runs count as validated only.", "short",
        {outcome.replace("_", " "):
         f"sum({scope.rate(f'pageferry_{outcome}_pages_total')})"
         for outcome in ("moved", "already_placed", "failed", "not_attempted",
                         "companion", "validated")}, stacked=True), 12)
    layout.add(series(
        "Waiting for clients", "Seconds in each second for which migrations "
        "waited for readers.", "s",
        {"waited": scope.rate("pageferry_stream_stall_seconds_total",
                              scope.all)}), 12)


def service(layout, scope):
    layout.row("Calls")
    handled = "grpc_server_handled_total"
    errors = f'grpc_code!="OK", {scope.process}'
    layout.add(series(
        "Calls", "gRPC calls that ended, a second.", "short",
        {"{{grpc_method}}": "sum by (grpc_method) "
                            f"({scope.rate(handled, scope.process)})"}), 8)
    layout.add(series(
        "Errors", "gRPC calls a second that did not end with OK.", "short",
        {"{{grpc_method}} {{grpc_code}}":
         "sum by (grpc_method, grpc_code) "
         f"({scope.rate(handled, errors)}) > 0"}, noValue="No errors."), 8)
    layout.add(series(
        "Length of calls", "Nine of ten are shorter, by method.", "s",
        {"{{grpc_method}}": scope.most("grpc_server_handling_seconds",
                                       "grpc_method", scope.process)},
        noValue="No calls."), 8)


def machine(layout, scope):
    layout.row("The machine")
    layout.add(series(
        "Memory of each NUMA node", "Free, and in use for files and for "
        "anonymous memory.", "bytes",
        {"node {{node}} {{kind}}": "pageferry_node_memory_bytes{"
                                   f'kind!="total", {scope.all}}}'}), 12)
    layout.add(series(
        "Capabilities", "1: there; 0: missing. pageferry capabilities says "
        "what the lack of each costs.", "short",
        {"{{name}}": f"pageferry_capability{{{scope.all}}}"}, max=1), 12)
    layout.add(series(
        "CPU of the daemon", "Seconds of CPU a second.", "s",
        {"CPU": scope.rate("process_cpu_seconds_total", scope.process)}), 8)
    layout.add(series(
        "Memory of the daemon", "Resident memory.", "bytes",
        {"resident": f"process_resident_memory_bytes{{{scope.process}}}"}), 8)
    layout.add(stat(
        "Uptime", "Since the daemon was started.", "s",
        f"time() - process_start_time_seconds{{{scope.process}}}",
        [(None, "green")]), 8)


def build():
    layout = Layout()
    for part in (fleet.overview, fleet.movement, fleet.reasons, work, kernel,
                 service, machine):
        part(layout, ONE)
    return dashboard(
        UID, "Pageferry / Node",
        "Which pages move, which do not, and why: one machine.", layout,
        VARIABLES, ONE.annotations(), [dashboard_link("Fleet", fleet.UID)])


DASHBOARD = build()
