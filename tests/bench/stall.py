"""What a migration costs the program whose memory it moves, in the two-node
machine: the longest time that one of its threads was kept from its pages, and
the longest kernel call, for which nobody can stop the migration; in each mode,
beside one raw move_pages(2) call over the same pages.

Figures to read, none to pass: times of an emulator are good as ratios within
one run. Needs PAGEFERRY_BIN and two nodes with room for the pages.
"""

import json
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "vm" / "acceptance"))
from support import MODES, PAGE, Daemon, Target, set_numa_balancing  # noqa: E402, pylint: disable=wrong-import-position
import look  # noqa: E402, pylint: disable=wrong-import-position

PAGES = int(os.environ.get("PAGEFERRY_STALL_PAGES") or 200000)
ROUNDS = int(os.environ.get("PAGEFERRY_STALL_ROUNDS") or 3)
NOTHING, RAW = "nothing", "one raw call"
COLUMNS = ("elapsed_ms", "longest_gap_ms", "longest_call_ms", "calls")


def seconds(duration):
    """Of protobuf's JSON, such as "1.5s"."""
    return float(duration.removesuffix("s"))


def stay(_target, _daemon, _node):
    """The same threads, with nothing moving: what the machine itself does."""
    time.sleep(3)
    return {"elapsed_ms": 3000, "longest_call_ms": 0, "calls": 0}


def raw_call(target, _daemon, node):
    start = target.region()["start"]
    addresses = list(range(start, start + PAGES * PAGE, PAGE))
    begin = time.monotonic()
    returned, _ = look.move(target.pid, addresses, node, look.MOVE)
    length_ms = (time.monotonic() - begin) * 1000
    if returned != 0:
        raise OSError(f"move_pages returned {returned}")
    return {"elapsed_ms": length_ms, "longest_call_ms": length_ms, "calls": 1}


def migration(mode):
    def migrate(target, daemon, node):
        done = daemon.cli("migrate", "--pid", target.pid, "--to", node,
                          "--mode", mode, "--range", target.span(), "--detail",
                          "summary")
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        summary = next(event["summary"] for event in map(
            json.loads, done.stdout.splitlines()) if "summary" in event)
        return {
            "elapsed_ms": seconds(summary["elapsed"]) * 1000,
            "longest_call_ms":
                seconds(summary["longest_kernel_call"]) * 1000,
            "calls": int(summary["kernel_calls"])}
    return migrate


def measure(way, target, daemon, node):
    """One move of all pages to `node`, and what the threads felt."""
    target.ask("reset")
    figures = way(target, daemon, node)
    figures["longest_gap_ms"] = target.ask("report")["longest_gap_us"] / 1000
    return figures


def run_rounds(target, daemon):
    """{name: [figures of each round]}"""
    moves = [(RAW, raw_call)] + [(mode, migration(mode)) for mode in MODES]
    found = {NOTHING: []}
    node = 1
    for number in range(ROUNDS):
        found[NOTHING].append(measure(stay, target, daemon, node))
        # Each round begins with another, so that each goes both ways.
        first = number % len(moves)
        for name, way in moves[first:] + moves[:first]:
            found.setdefault(name, []).append(
                measure(way, target, daemon, node))
            node = 1 - node
    return found


def show(found):
    print(f"\n{PAGES} pages, medians of {ROUNDS} rounds (lowest to highest); "
          f"x: of the raw call in the same round")
    for name in (NOTHING, RAW, *MODES):
        print(f"{name}:")
        for column in COLUMNS:
            values = [figures[column] for figures in found[name]]
            line = (f"  {column:<16} {statistics.median(values):>9.1f}  "
                    f"({min(values):.1f} to {max(values):.1f})")
            if name in MODES and column != "calls":
                ratio = statistics.median(
                    figures[column] / raw[column]
                    for figures, raw in zip(found[name], found[RAW]))
                line += f"  x {ratio:.3f}"
            print(line)
    sys.stdout.flush()


def main():
    set_numa_balancing(0)
    print(f"Linux {os.uname().release}", flush=True)
    daemon = Daemon()
    target = Target(f"anon:{PAGES}:0")
    try:
        found = run_rounds(target, daemon)
        answer = target.stop()
    finally:
        target.close()
        daemon.close()
    show(found)
    if not answer["intact"]:
        raise RuntimeError(f"stores were lost: {answer}")


if __name__ == "__main__":
    main()
