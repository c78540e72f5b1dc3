"""Daemons on which everything goes wrong, with a real Prometheus."""

import socket
import time

import every_reason
import grafana
from daemon import wait_for
from every_reason import messages, wire_daemon
from model_daemon import ROOT, ModelDaemon
from prometheus_server import Prometheus

RULES = ROOT / "deploy/prometheus/rules.yaml"
STUCK_CALLS = 14  # more than there may be sync migrations at a time
# Of a client's channel: it takes no more than that before it is read.
NARROW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536)]
# As an expression, the name of the first machine is that of the last, too.
EAST = ("east", "machine.1:9464")
WEST = ("west", "machine.2:9464")
DOWN = ("west", "machine-1:9464")


def stuck(page):
    """A migration that waits for a lock until it is told to stop."""
    request = messages.MigratePagesRequest()
    request.process.pid = 110
    request.options.mode = messages.MIGRATE_MODE_SYNC
    request.batches.add(destination_node=1,
                        addresses=[0x10000000 + page * 4096])
    return request


def talkative():
    """A migration with more results than lie between daemon and client."""
    request = messages.MigratePagesRequest()
    request.process.pid = 103
    request.options.mode = messages.MIGRATE_MODE_ASYNC
    request.batches.add(destination_node=1, addresses=range(
        0x20000000, 0x20000000 + 131072 * 4096, 2 * 4096))
    return request


class Monitored:
    """Two daemons, each in a cluster of its own, and a third one that is down.
    `idle`, `span`: begin and end of the time in which they had nothing to do,
    and of that in which things went wrong."""

    def __init__(self, add_cleanup):
        begin = time.time()
        self.daemons = {}
        for name in (EAST, WEST):
            self.daemons[name] = ModelDaemon(every_reason.SCENARIO)
            add_cleanup(self.daemons[name].close)
        # Nobody listens there, and nobody else can.
        nobody = socket.socket()
        add_cleanup(nobody.close)
        nobody.bind(("127.0.0.1", 0))
        targets = {name: daemon.metrics_address()
                   for name, daemon in self.daemons.items()}
        targets[DOWN] = f"127.0.0.1:{nobody.getsockname()[1]}"
        self.prometheus = Prometheus(RULES, targets)
        add_cleanup(self.prometheus.close)
        self.await_count(len(self.daemons),
                         'rate(pageferry_requested_pages_total{mode="SYNC"}'
                         f"[{grafana.RATE_INTERVAL}])")
        self.await_scrapes()
        self.idle = begin, time.time()
        self.span = None

    def await_count(self, count, expression):
        wait_for(lambda: len(self.prometheus.query(expression)) >= count,
                 f"{count} series of {expression}")

    def await_scrapes(self):
        """Until all that happened so far has been scraped, and the rules have
        had their turn after that."""
        for series in ("pageferry_build_info",
                       "instance:pageferry_moved_pages:rate5m"):
            self.await_count(len(self.daemons),
                             f"timestamp({series}) > {time.time()}")

    def go_wrong(self):
        begin = time.time()
        clients = [wire_daemon.Daemon(daemon.endpoint, NARROW)
                   for daemon in self.daemons.values()]
        try:
            for daemon, client in zip(self.daemons.values(), clients):
                every_reason.cause_everything(daemon, client)
            self._hold_up(clients)
        finally:
            for client in clients:
                client.close()
        self.await_scrapes()
        self.span = begin, time.time()

    def _hold_up(self, clients):
        """Until it was seen, some migrations wait for others, and one for its
        reader."""
        waiting = [client.migrate_pages(stuck(page)) for client in clients
                   for page in range(STUCK_CALLS)]
        unread = [client.migrate_pages(talkative()) for client in clients]
        self.await_count(len(clients), "pageferry_migrations_queued > 0")
        self.await_count(len(clients),
                         'pageferry_migrations_in_flight{mode="ASYNC"} > 0')
        for call in waiting:
            call.cancel()
        for call in unread:
            wire_daemon.read_migration(call)
