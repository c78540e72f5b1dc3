#!/usr/bin/env python3
"""Draws deploy/grafana/fleet.svg and node.svg from a real Prometheus that
scrapes two real daemons, on one of which pages are pinned for a while.

    PAGEFERRY_BIN=build/dev/bin tests/deploy/draw_dashboards.py
"""

import pathlib
import re
import tempfile
import threading
import time

import grafana
import svg
from model_daemon import ROOT, ModelDaemon
from prometheus_server import Prometheus

SECONDS = 150
PAUSE_S = 0.4
PROCESS = """
nodes { id: 0 capacity_pages: 16384 has_cpu: true tier: 4 }
nodes { id: 1 capacity_pages: 16384 tier: 8 }
processes {
  pid: 200 name: "service"
  regions { start_address: 0x10000000 pages: 4096 placements { node: 0 } }
}
"""
# From its 90th try on each of these pages is pinned, for 600 tries.
FAULT = """
page_faults {
  kind: PAGE_FAULT_KIND_PIN pid: 200 address: 0x10000000 pages: 600
  from_try: 90 tries: 600
}
"""
VARIABLES = {"cluster": grafana.ALL, "mode": grafana.ALL,
             "__rate_interval": "6s"}


def keep_moving(daemon, ending):
    """To the other node and back, in one mode after the other."""
    mode = 0
    while not ending.is_set():
        for origin, to in (("0", "1"), ("1", "0")):
            daemon.cli("migrate", "--pid", "200", "--all", "--from", origin,
                       "--to", to, "--detail", "summary", "--mode",
                       ("async", "sync-light")[mode])
            ending.wait(PAUSE_S)
        mode = 1 - mode


def legend_text(template, labels):
    return re.sub(r"\{\{(\w+)\}\}", lambda name: labels.get(name[1], ""),
                  template)


def answer(prometheus, dashboard, target, node, span):
    """[(legend, [(time, value)])] over the span."""
    query = grafana.filled(target["expr"], dashboard,
                           {**VARIABLES, "node": node})
    return [(legend_text(target["legendFormat"], labels), points)
            for labels, points in prometheus.query_range(query, span)]


def draw(prometheus, name, node, span):
    dashboard = grafana.load(name)
    panels = dashboard["panels"]
    drawn = [svg.Panel(panel, [answer(prometheus, dashboard, target, node, span)
                               for target in panel.get("targets", ())],
                       span).draw() for panel in panels]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"]
                 for panel in panels)
    (grafana.FOLDER / f"{name}.svg").write_text(svg.document(drawn, height),
                                                "utf-8")


def main():
    ending, daemons, threads = threading.Event(), {}, []
    with tempfile.TemporaryDirectory() as folder:
        for instance, scenario in (("machine-a", PROCESS),
                                   ("machine-b", PROCESS + FAULT)):
            path = pathlib.Path(folder, instance)
            path.write_text(scenario, "utf-8")
            daemons[instance] = ModelDaemon(path)
    prometheus = Prometheus(
        ROOT / "deploy/prometheus/rules.yaml",
        {("lab", name): daemon.metrics_address()
         for name, daemon in daemons.items()})
    try:
        for daemon in daemons.values():
            threads.append(threading.Thread(target=keep_moving,
                                            args=(daemon, ending)))
            threads[-1].start()
        time.sleep(SECONDS)
        now = time.time()
        span = now - SECONDS + 8, now
        draw(prometheus, "fleet", grafana.ALL, span)
        draw(prometheus, "node", "machine-b", span)
    finally:
        ending.set()
        for thread in threads:
            thread.join()
        prometheus.close()
        for daemon in daemons.values():
            daemon.close()


if __name__ == "__main__":
    main()
