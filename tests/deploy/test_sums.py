"""The counters of a daemon are the sums of what its clients were told."""

import concurrent.futures
import json
import signal
import subprocess
import threading
import unittest

import every_reason
from books import FAMILIES, Books, counted
from daemon import MODES, wait_for
from every_reason import messages, wire_daemon
from google.protobuf import json_format
from model_daemon import HOSTILE_MIX, ModelDaemon

WORKERS = 8
THERE_AND_BACK = [("--all", "--from", origin, "--to", to, "--mode", mode)
                  for mode in MODES for origin, to in (("0", "1"), ("1", "0"))]


def method_of(arguments):
    return "MigrateProcess" if "--all" in arguments else "MigratePages"


def mode_of(arguments):
    mode = arguments[arguments.index("--mode") + 1]
    return mode.upper().replace("-", "_")


def stuck(number):
    """64 pages, and one for which the migration waits until it is stopped, once
    the others have moved. Those of other numbers are not in its way."""
    return ("--pid", "110", "--to", "1", "--mode", "sync",
            "--address", str(0x10000000 + number * 4096),
            "--range", f"{0x11000000 + number * 64 * 4096}:64")


class Sums(unittest.TestCase):

    def start(self, scenario):
        self.daemon = ModelDaemon(scenario)
        self.addCleanup(self.daemon.close)
        self.books = Books()
        self.lock = threading.Lock()

    def migrate(self, *arguments):
        """To its end."""
        done = self.daemon.cli("migrate", *arguments)
        self.enter(arguments, done.stdout)

    def enter(self, arguments, text):
        with self.lock:
            self.books.add(method_of(arguments), mode_of(arguments), text)

    @staticmethod
    def in_parallel(calls):
        """(function, argument...)"""
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(*call) for call in calls]:
                done.result()

    def check(self):
        sums = counted(self.daemon)
        self.assertEqual(sums, +self.books.told)
        pages = {family: sum(value for key, value in sums.items()
                             if key[0] == family) for family in FAMILIES}
        self.assertEqual(
            pages["requested_pages"],
            pages["moved_pages"] + pages["already_placed_pages"] +
            pages["failed_pages"] + pages["not_attempted_pages"])
        return pages

    def listed(self, migration_id):
        """What is listed of it, or None yet: it has to have ended."""
        for line in self.daemon.cli("list").stdout.splitlines():
            migration = json.loads(line)
            if migration["migration_id"] == migration_id and (
                    migration["state"] == "MIGRATION_STATE_ENDED"):
                return migration["progress"]
        return None

    def read_until(self, client, kind, count):
        """All that it has printed once it has said that often that kind of
        thing, and the migration's id."""
        lines = []
        while len([line for line in lines if f'{{"{kind}"' in line]) < count:
            lines.append(client.stdout.readline())
            self.assertTrue(lines[-1], lines)
        return lines, json.loads(lines[0])["started"]["migration_id"]

    def client(self, arguments):
        return subprocess.Popen(self.daemon.cli_command("migrate", *arguments),
                                text=True, stdout=subprocess.PIPE)

    def cancel(self, *arguments):
        """By another client, while it waits in its first forced pass."""
        with self.client(arguments) as client:
            lines, migration_id = self.read_until(client, "pass_completed", 3)
            self.daemon.cli("cancel", migration_id)
            lines += client.stdout.readlines()
        self.enter(arguments, "".join(lines))

    def vanish(self, kind, count, *arguments):
        """The client does, once it has been told so much."""
        with self.client(arguments) as client:
            _, migration_id = self.read_until(client, kind, count)
            client.send_signal(signal.SIGKILL)
        self.enter_unseen(arguments, migration_id)

    def time_out(self, *arguments):
        """The client gives up."""
        done = self.daemon.cli("--timeout", "1s", "migrate", *arguments)
        started = json.loads(done.stdout.splitlines()[0])["started"]
        self.enter_unseen(arguments, started["migration_id"])

    def enter_unseen(self, arguments, migration_id):
        progress = wait_for(lambda: self.listed(migration_id),
                            f"the end of {migration_id}")
        with self.lock:
            self.books.add_unseen(method_of(arguments), mode_of(arguments),
                                  progress, "LOCKED")

    def test_over_every_reason(self):
        """After each migration."""
        self.start(every_reason.SCENARIO)
        for arguments in every_reason.MIGRATIONS:
            if "--dry-run" in arguments:
                continue
            self.migrate(*arguments.split())
            self.check()
        client = wire_daemon.Daemon(self.daemon.endpoint)
        self.addCleanup(client.close)
        self.books.add("MigratePages", "ASYNC", "\n".join(
            json_format.MessageToJson(reply.event, indent=None,
                                      preserving_proto_field_name=True)
            for reply in client.migrate_pages(every_reason.folio_conflict())))
        self.assertGreater(min(self.check().values()), 0)
        for metric in ("failed", "retried"):
            self.assertEqual(
                {key[2] for key in self.books.told
                 if key[0] == f"{metric}_pages"},
                {name.removeprefix("PAGE_REASON_")
                 for name in messages.PageReason.keys()[1:]} -
                {reason for one, reason in every_reason.IMPOSSIBLE
                 if one == metric})

    def test_of_migrations_that_are_in_each_others_way(self):
        self.start(HOSTILE_MIX)
        calls = [*THERE_AND_BACK, *THERE_AND_BACK,
                 ("--all", "--from", "0", "--to", "2", "--mode", "async"),
                 ("--all", "--to", "1", "--mode", "sync",
                  "--time-budget", "1ms"),
                 ("--to", "1", "--mode", "sync", "--address", "0x30000000",
                  "--address", "0x30200000", "--address", "0x51000000")]
        self.in_parallel([(self.migrate, "--pid", "100", *call)
                          for call in calls])
        pages = self.check()
        for family in ("moved_pages", "failed_pages", "retried_pages"):
            self.assertGreater(pages[family], 0, family)

    def test_of_migrations_that_are_stopped(self):
        """All at the same time, some without a client that would know."""
        self.start(every_reason.SCENARIO)
        self.in_parallel([
            (self.cancel, *stuck(0)), (self.cancel, *stuck(1)),
            (self.vanish, "pass_completed", 3, *stuck(2)),
            (self.vanish, "pass_completed", 3, *stuck(3)),
            (self.time_out, *stuck(4)),
            (self.migrate, *stuck(5), "--time-budget", "500ms"),
            *((self.migrate, "--pid", "100", *call)
              for call in THERE_AND_BACK)])
        self.check()
        self.assertEqual(
            {key[3]: count for key, count in self.books.told.items()
             if key[:3] == ("migrations", "MigratePages", "SYNC")},
            {"CANCELLED": 5, "TIME_BUDGET": 1})

    def test_of_migrations_that_are_stopped_while_pages_move(self):
        """There are 2,048 pages, which would take eight seconds."""
        self.start(every_reason.SCENARIO)
        slow = ("--pid", "100", "--all", "--from", "0", "--to", "1", "--mode",
                "async", "--rate", "1M")
        self.vanish("results", 3, *slow)
        self.migrate(*slow, "--time-budget", "500ms")
        self.time_out(*slow)
        self.check()
        self.assertEqual(
            {key[3]: count for key, count in self.books.told.items()
             if key[0] == "migrations"}, {"CANCELLED": 2, "TIME_BUDGET": 1})

    def test_dry_runs_count_nothing_of_that(self):
        self.start(HOSTILE_MIX)
        done = self.daemon.cli("migrate", "--pid", "100", "--all", "--from",
                               "0", "--to", "1", "--mode", "async", "--dry-run")
        summary = json.loads(done.stdout.splitlines()[-1])["summary"]
        self.assertEqual(counted(self.daemon), {
            ("migrations", "MigrateProcess", "ASYNC", "COMPLETED"): 1})
        self.assertGreater(int(summary["requested_pages"]), 0)
        self.assertEqual(self.daemon.sum_of("pageferry_validated_pages_total"),
                         int(summary["requested_pages"]))


if __name__ == "__main__":
    unittest.main()
