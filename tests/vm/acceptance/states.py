"""What the table of page states is made of: the states, by name, and what
they share."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

import look
from support import KERNEL, MODES, Daemon, Target
from table import COLUMNS
from asking import Case

HERE = pathlib.Path(__file__).resolve().parent
PAGES = 8

# By name: what makes a state, and what has to come of it.
STATES = {}


@dataclasses.dataclass(frozen=True)
class State:
    """`make(lab, column)` is a context manager around a Case. `expect`: by
    mode, a regular expression for what we say."""
    make: object
    expect: dict


def state(name, expect=None, **by_mode):
    """Decorates what makes a state. Modes as names: async_, sync_light,
    sync."""
    names = dict(zip(MODES, ("async_", "sync_light", "sync")))
    expected = {mode: by_mode.get(names[mode], expect) for mode in MODES}

    def add(make):
        assert name not in STATES and all(expected.values()), name
        STATES[name] = State(contextlib.contextmanager(make), expected)
        return make

    return add


def on(**by_kernel):
    """What holds on this kernel: on(k6_1=..., k6_12=...)."""
    return by_kernel["k" + KERNEL.replace(".", "_")]


class Process:
    """A state_process: its methods are those of Memory in there."""

    def __init__(self, *prefix):
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*prefix, sys.executable, "-B", str(HERE / "state_process.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid

    def __getattr__(self, method):
        def ask(*arguments, **named):
            return self.tell(method, *arguments, **named)
        return ask

    def tell(self, method, *arguments, **named):
        self._process.stdin.write(json.dumps([method, arguments, named]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise AssertionError(f"state_process ended at {method}")
        return json.loads(answer)

    def end(self):
        self._process.kill()
        self._process.wait()

    def close(self):
        self.end()
        self._process.stdin.close()
        self._process.stdout.close()

    @contextlib.contextmanager
    def forked(self, start=0, pages=0):
        """With a child that shares all there is, and has loaded the pages."""
        child = self.child(start, pages)
        try:
            yield
        finally:
            self.end_child(child)

    def written(self, pages, node=0, **how):
        """The addresses of new pages on a node."""
        start = self.map(pages, **how)
        self.write(start, pages, node)
        return span(start, pages)


def span(start, pages):
    return [start + i * look.PAGE for i in range(pages)]


def write_file(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(text))


def start_time(pid):
    """In ticks since the machine's start."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[19])


def ticks_now():
    """Since the machine's start, as in `start_time`."""
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
    return int(seconds * os.sysconf("SC_CLK_TCK"))


def all_have(pid, addresses, flag):
    return all(page.flags & flag for page in look.see(pid, addresses))


class Gate:
    """A block device whose I/O waits while it is shut."""

    def __init__(self, name, disk):
        self.name = name
        self.path = "/dev/mapper/" + name
        self.folder = None
        sectors = subprocess.run(["blockdev", "--getsz", disk], check=True,
                                 capture_output=True, text=True).stdout.strip()
        self._dmsetup("create", self.name, "--table",
                      f"0 {sectors} linear {disk} 0")

    def _dmsetup(self, *words):
        # The guest has no udev that would make the device files.
        subprocess.run(["dmsetup", *words], check=True,
                       env=dict(os.environ, DM_DISABLE_UDEV="1"))

    def mount(self, kind, *make):
        subprocess.run([*make, self.path], check=True,
                       stdout=subprocess.DEVNULL)
        self.folder = "/run/" + self.name
        os.makedirs(self.folder, exist_ok=True)
        subprocess.run(["mount", "-t", kind, self.path, self.folder],
                       check=True)
        return self

    def shut(self):
        self._dmsetup("suspend", "--noflush", "--nolockfs", self.name)

    def open(self):
        self._dmsetup("resume", self.name)

    def forget(self):
        """Writes out and drops what the device has in the page cache."""
        subprocess.run(["blockdev", "--flushbufs", self.path], check=True)

    @contextlib.contextmanager
    def guarded(self):
        """Opens it at the end, whatever happens."""
        try:
            yield
        finally:
            self.open()

    def close(self):
        self.open()
        if self.folder is not None:
            subprocess.run(["umount", self.folder], check=True)
        self._dmsetup("remove", self.name)


class Lab:
    """What the states share, made when the first needs it."""

    DISKS = ("gate", "locks", "direct", "swap", "minix")

    def __init__(self):
        self._devices = contextlib.ExitStack()
        self._stack = contextlib.ExitStack()
        self._made = {}
        self._files = 0

    def close(self):
        """Processes first, since they map files."""
        self._stack.close()
        self._devices.close()

    def once(self, name, make, stack=None):
        """What `make` gave when it was first asked for under the name; closed
        with the lab."""
        if name not in self._made:
            self._made[name] = make()
            (stack or self._stack).callback(self._made[name].close)
        return self._made[name]

    @property
    def daemon(self):
        return self.once("daemon", Daemon)

    def process(self):
        """The state_process of cases that leave it as it was."""
        return self.once("process", Process)

    def own_process(self, *prefix):
        """A state_process for one case."""
        return contextlib.closing(Process(*prefix))

    def gate(self, name, *mount):
        """The gate of this name; `mount`: file system and what makes it."""

        def make():
            subprocess.run(["modprobe", "dm-mod"], check=True)
            subprocess.run(["modprobe", "brd", f"rd_nr={len(self.DISKS)}",
                            "rd_size=32768"], check=True)
            gate = Gate(name, f"/dev/ram{self.DISKS.index(name)}")
            return gate.mount(*mount) if mount else gate

        return self.once(name, make, self._devices)

    def targets(self):
        return [made for made in self._made.values()
                if isinstance(made, Target)]

    def file(self, gate, pages, holes_from=None):
        """A new file on it, of which pages from `holes_from` on are holes.
        None of it stays in the page cache, so that its pages come from the node
        that a reader chooses."""
        self._files += 1
        path = f"{gate.folder}/{self._files}"
        with open(path, "wb") as file:
            file.write(b"x" * look.PAGE *
                       (pages if holes_from is None else holes_from))
            file.truncate(pages * look.PAGE)
            file.flush()
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return path

    def region(self, kinds, index, column, *options):
        """Region `index` of `kinds` in a target that has each once for each
        column. A Case of its pages."""
        target = self.once((kinds, options), lambda: Target(
            *kinds * len(COLUMNS), options=("--idle", *options)))
        place = COLUMNS.index(column) * len(kinds) + index
        return Case(target.pid, target.addresses(place))
