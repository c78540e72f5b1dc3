"""The show of deploy/demo.sh.

    show.py FOLDER_WITH_THE_PROGRAMS real|model

Starts pageferryd and moves the memory of a process between two nodes, there
and back, in each mode: of a real process on this machine's nodes, or of a
modelled one. Every page is checked by a witness that knows nothing of the
results. The last line says what happened; exit code 0 if all of it was right.
"""

import collections
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

from subjects import ModelledProcess, RealProcess, memory_nodes, pages_of

SUBJECTS = {"real": RealProcess, "model": ModelledProcess}


def say(text=""):
    print(text, flush=True)


class Daemon:
    """A pageferryd of the show's own."""

    def __init__(self, programs, options):
        self._client = os.path.join(programs, "pageferry")
        self._folder = tempfile.TemporaryDirectory(prefix="pageferry-demo-")
        self._endpoint = f"unix://{self._folder.name}/pageferry.sock"
        self._log_path = os.path.join(self._folder.name, "log")
        with open(self._log_path, "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [os.path.join(programs, "pageferryd"), "--listen",
                 self._endpoint, "--metrics-address", "127.0.0.1:0", *options],
                stderr=log)
        while self.cli("health").returncode != 0:
            if self._process.poll() is not None:
                sys.exit("pageferryd ended: " + self._read_log())
            time.sleep(0.05)

    def cli(self, *arguments):
        """`pageferry` with these arguments, when it has ended."""
        return subprocess.run(
            [self._client, "--endpoint", self._endpoint, *map(str, arguments)],
            text=True, capture_output=True, check=False)

    def _read_log(self):
        with open(self._log_path, encoding="utf-8") as log:
            return log.read()

    def records(self):
        """What it logged: a dictionary a line."""
        return [json.loads(line) for line in self._read_log().splitlines()]

    def metrics(self):
        """Samples, by name with labels."""
        address = next(record["metrics_address"] for record in self.records()
                       if "metrics_address" in record)
        with urllib.request.urlopen(f"http://{address}/metrics") as reply:
            text = reply.read().decode()
        samples = (line.rsplit(" ", 1) for line in text.splitlines()
                   if line.startswith("pageferry_"))
        return {name: float(value) for name, value in samples}

    def end(self):
        """What is wrong with its end, or None."""
        self._process.terminate()
        self._process.wait()
        if self._process.returncode != 0:
            return (f"pageferryd exited {self._process.returncode}: "
                    + self._read_log())
        return None


class Show:
    """One daemon, one subject, and the books of what was seen."""

    def __init__(self, daemon, subject):
        self._daemon = daemon
        self._subject = subject
        self.moved = self.verified = 0
        self.wrong = []

    def migrate(self, mode, origin, to):
        words = ["migrate", "--pid", self._subject.pid, "--to", to, "--mode",
                 mode, *self._subject.selection(origin)]
        say("-- pageferry " + " ".join(map(str, words)))
        results, reported, figures = {}, 0, None
        done = self._daemon.cli("--json", *words)
        for line in done.stdout.splitlines():
            event = json.loads(line)
            if "results" in event:
                runs = event["results"]["results"]
                results.update(pages_of(runs))
                reported += sum(run["page_count"] for run in runs)
            elif "pass_completed" in event:
                self._say_pass(event["pass_completed"])
            elif "summary" in event:
                figures = event["summary"]
        if figures is None:
            self.wrong.append(f"exit code {done.returncode}: {done.stderr}")
            return
        say(f"   {figures['stop_reason'].removeprefix('STOP_REASON_')} after "
            f"{figures['elapsed']}, {figures.get('kernel_calls', 0)} kernel "
            f"calls, the longest {figures.get('longest_kernel_call', '0s')}")
        if reported != len(results):
            self.wrong.append(f"{reported} results for {len(results)} pages")
        self._check(to, results)

    @staticmethod
    def _say_pass(figures):
        say(f"   pass {figures.get('pass', 0)}"
            f"{' forced' if figures.get('forced') else ''}: moved "
            f"{figures.get('moved_pages', 0)}, again "
            f"{figures.get('retry_pages', 0)}, failed "
            f"{figures.get('failed_pages', 0)}")

    def _check(self, to, results):
        outcomes = collections.Counter(
            " ".join((result["outcome"].removeprefix("PAGE_OUTCOME_"),
                      result.get("reason", "").removeprefix("PAGE_REASON_")))
            for result in results.values())
        for outcome, count in sorted(outcomes.items()):
            say(f"   {count:>6} {outcome}")
        moved = outcomes["MOVED "]
        self.moved += moved
        seen, wrong = self._subject.disagreement(to, results)
        if moved == 0:
            wrong = "nothing moved"
        say(f"   {self._subject.witness} says: {seen}")
        if wrong is None:
            self.verified += moved
            say(f"   every page reported once, and {self._subject.witness} "
                "agrees")
        else:
            self.wrong.append(wrong)
            say("   WRONG: " + wrong)

    def say_metrics(self, before):
        say("-- metrics that changed")
        for name, value in sorted(self._daemon.metrics().items()):
            change = value - before.get(name, 0)
            if change and "_bucket" not in name and "node_memory" not in name:
                say(f"   {name} +{change:g}")

    def end(self):
        text, lost = self._subject.end() or ("", "nobody has stored")
        failed = self._daemon.end()
        for record in self._daemon.records():
            if "stores" in record:
                text = f"The model's threads made {record['stores']} stores"
                lost = (f"{record['lost_stores']} stores were lost"
                        if "lost_stores" in record else None)
        say(f"{text}: {'STORES LOST' if lost else 'no store was lost'}")
        self.wrong += [problem for problem in (lost, failed) if problem]


def main(programs, kind):
    if kind == "real" and len(memory_nodes()) < 2:
        sys.exit("show.py: this machine has memory on one NUMA node only; "
                 "deploy/demo.sh without --native brings its own, and --model "
                 "needs none")
    daemon = Daemon(programs, SUBJECTS[kind].daemon_options)
    say("-- pageferry topology")
    say(daemon.cli("topology").stdout)
    subject = SUBJECTS[kind](programs, daemon.cli)
    show = Show(daemon, subject)
    try:
        say(subject.introduction)
        before = daemon.metrics()
        for mode in ("async", "sync-light", "sync"):
            show.migrate(mode, subject.home, subject.away)
            show.migrate(mode, subject.away, subject.home)
        show.say_metrics(before)
    finally:
        show.end()
    if show.wrong:
        say(f"demo: FAILED: {'; '.join(show.wrong)}")
        return 1
    say(f"demo: {show.moved} pages moved, {show.verified} of them verified by "
        f"an independent look, between nodes {subject.home} and "
        f"{subject.away} in three modes; memory intact")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
