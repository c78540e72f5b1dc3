"""Starts a pageferryd for a test, on any machine.

PAGEFERRY_BIN names the folder of the programs.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

BIN = os.environ["PAGEFERRY_BIN"]
MODES = ("async", "sync-light", "sync")


def wait_for(condition, what, seconds=60):
    """Waits until `condition` gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain: {what}")


class Daemon:
    """A pageferryd on a Unix socket of its own. `metrics`: where it serves
    them."""

    def __init__(self, *options, prefix=(), wait_ready=True,
                 metrics="127.0.0.1:0"):
        self.folder = tempfile.mkdtemp(prefix="pageferry-")
        self.endpoint = f"unix://{self.folder}/pageferry.sock"
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [*prefix, os.path.join(BIN, "pageferryd"),
                 "--listen", self.endpoint,
                 "--metrics-address", metrics, *options],
                stderr=log, stdout=log)
        service = "readiness" if wait_ready else "liveness"
        wait_for(lambda: self.process.poll() is not None or
                 self.cli("health", "--service", service).returncode == 0,
                 "the daemon's health")
        if self.process.poll() is not None:
            raise AssertionError("pageferryd ended: " + self.log())

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def log_lines(self):
        return [json.loads(line) for line in self.log().splitlines()]

    def cli_command(self, *arguments):
        return [os.path.join(BIN, "pageferry"), "--endpoint", self.endpoint,
                "--json", *[str(argument) for argument in arguments]]

    def cli(self, *arguments, **keywords):
        return subprocess.run(self.cli_command(*arguments), text=True,
                              capture_output=True, check=False, **keywords)

    def metrics_address(self):
        """Where it can be scraped: "127.0.0.1:4711"."""
        return next(line["metrics_address"] for line in self.log_lines()
                    if "metrics_address" in line)

    def metrics(self):
        """The samples of one scrape, by name with labels."""
        with urllib.request.urlopen(
                f"http://{self.metrics_address()}/metrics") as reply:
            text = reply.read().decode()
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def peak_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as text:
            for line in text:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=90)
        shutil.rmtree(self.folder)
        return self.process.returncode
