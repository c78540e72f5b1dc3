"""Asks a daemon to migrate pages, and reads what it says of them."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

from google.protobuf import json_format

from daemon import wait_for
from events import PAGE, Events, count_text

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import wire_daemon  # noqa: E402, pylint: disable=wrong-import-position
from wire_daemon import grpc, migration_pb2 as messages  # noqa: E402, pylint: disable=wrong-import-position

MOVE_PAGES = "279"  # its number on x86-64
REFUSED = 3  # exit code of `pageferry`: its last line of errors says why
CODES = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclasses.dataclass
class Case:
    """A target in a state, ready to be migrated."""
    pid: int
    addresses: list
    to: int = 1
    nodes: list = None       # instead of `to`: for each address its own
    shared: bool = False     # whether pages of several mappings shall move
    daemon: object = None    # not the daemon of all
    arguments: tuple = ()    # more of them for `pageferry migrate`
    ask: object = None       # called instead of ask_cli
    meanwhile: object = None  # called with an Attempt once that runs
    after_pass: object = None  # called after a pass; before a raw call
    gone: bool = False       # its memory is no more at the end
    as_range: bool = False   # the addresses follow each other
    folio_pages: int = None  # base pages of each page's folio

    def node_of(self, index):
        return self.nodes[index] if self.nodes else self.to


class Attempt:
    """A migration that runs: what `meanwhile` may wait for."""

    def __init__(self, mover_pid):
        self.mover_pid = mover_pid
        self.client = None
        self.lines = []
        self.order = []

    def await_pass(self):
        """Until the first pass is over."""
        for line in self.client.stdout:
            self.lines.append(line)
            if '"pass_completed"' in line:
                return
        raise AssertionError("no pass: " + "".join(self.lines))

    def await_sleep_in_kernel(self):
        """Until the mover waits for a page inside move_pages(2)."""
        wait_for(self.sleeps_in_kernel, "a sleep in move_pages")

    def await_results(self):
        """Until the client has printed all and ended. A raw call says nothing
        before it returns."""
        if self.client is not None:
            self.lines += self.client.stdout.readlines()

    def sleeps_in_kernel(self):
        folder = f"/proc/{self.mover_pid}/task"
        for thread in os.listdir(folder):
            try:
                with open(f"{folder}/{thread}/syscall", encoding="ascii") as at:
                    inside = at.read().split()[0] == MOVE_PAGES
                with open(f"{folder}/{thread}/wchan", encoding="ascii") as at:
                    if inside and "folio" in at.read():
                        return True
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
        return False


def ask_cli(case, daemon, mode, attempt):
    """The migration through `pageferry migrate`; exit code, output, errors."""
    words = ["migrate", "--pid", case.pid, "--to", case.to, "--mode", mode,
             "--shared", "move" if case.shared else "leave", *case.arguments]
    if case.as_range:
        words += ["--range", f"{case.addresses[0]}:{len(case.addresses)}"]
    for address in () if case.as_range else case.addresses:
        words += ["--address", address]
    with subprocess.Popen(daemon.cli_command(*words), text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as client:
        attempt.client = client
        try:
            if case.meanwhile is not None:
                case.meanwhile(attempt)
            if case.after_pass is not None:
                attempt.await_pass()
                case.after_pass()
            attempt.await_results()
            errors = client.stderr.read()
        except BaseException:
            client.kill()
            raise
    return client.returncode, "".join(attempt.lines), errors


def ask_grpc(case, daemon, mode, _=None):
    """The same as ask_cli, for cases in which nothing happens meanwhile, with
    several destinations or one; by a client of another make, and without the
    start of a program, which takes an emulator a second."""
    request = messages.MigratePagesRequest()
    request.process.pid = case.pid
    request.options.mode = messages.MigrateMode.Value(
        "MIGRATE_MODE_" + mode.upper().replace("-", "_"))
    if case.shared:
        request.options.shared_pages = messages.SHARED_PAGES_MOVE
    for address, node in zip(case.addresses,
                             case.nodes or [case.to] * len(case.addresses)):
        if not request.batches or \
                request.batches[-1].destination_node != node:
            request.batches.add(destination_node=node)
        request.batches[-1].addresses.append(address)
    client = wire_daemon.Daemon(daemon.endpoint)
    try:
        lines = [json_format.MessageToJson(
                     reply.event, indent=None, preserving_proto_field_name=True)
                 for reply in client.migrate_pages(request)]
    except grpc.RpcError as error:
        return REFUSED, "", json.dumps({"code": error.code().value[0]})
    finally:
        client.close()
    return 0, "\n".join(lines), ""


def answer_text(code, events, errors):
    """What came of a migration: how many pages had which outcome and reason,
    or the code with which it was refused."""
    if code == REFUSED:
        refusal = json.loads(errors.splitlines()[-1])
        return "REFUSED " + CODES[refusal["code"]]
    if events.summary is None:
        return f"exit code {code}: {errors}"
    return ", ".join(f"{key} {count}" for key, count
                     in sorted(events.by_outcome().items()))


def place_text(case, daemon):
    """Where LocatePages finds the pages: on which node, or why that cannot be
    said."""
    request = messages.LocatePagesRequest(addresses=case.addresses)
    request.target.process.pid = case.pid
    client = wire_daemon.Daemon(daemon.endpoint)
    try:
        locations, _ = client.locate_pages(request)
    except grpc.RpcError as error:
        return "REFUSED " + error.code().name
    finally:
        client.close()
    places = {}
    for location in locations:
        place = (f"on {location.node}" if location.HasField("node") else
                 messages.PageReason.Name(location.unlocated_reason)
                 .removeprefix("PAGE_REASON_"))
        for number in wire_daemon.pages_of([location]):
            places[number] = place
    return count_text(places[address // PAGE] for address in case.addresses)


def answer_case(case, daemon, mode):
    """What is said of the case, and where its pages are then."""
    daemon = case.daemon or daemon
    by_program = case.arguments or case.meanwhile or case.after_pass
    ask = case.ask or (ask_cli if by_program else ask_grpc)
    code, text, errors = ask(case, daemon, mode, Attempt(daemon.process.pid))
    return (answer_text(code, Events(text), errors), place_text(case, daemon))
