"""A Prometheus of a test's own, on a port that it chose itself."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

LISTEN = "0A"  # the state, in /proc/net/tcp


def _listening_port(pid):
    """The loopback port that a process listens on, or None yet."""
    sockets = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            sockets.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        except FileNotFoundError:
            continue  # closed since
    for line in pathlib.Path(f"/proc/{pid}/net/tcp").read_text(
            encoding="ascii").splitlines()[1:]:
        words = line.split()
        if words[3] == LISTEN and f"socket:[{words[9]}]" in sockets:
            return int(words[1].rpartition(":")[2], 16)
    return None


class Prometheus:
    """Scrapes `targets` ({instance: address}) every second, with the rules of
    deploy/prometheus."""

    def __init__(self, rules, targets):
        self._folder = tempfile.TemporaryDirectory(prefix="prometheus-")
        folder = pathlib.Path(self._folder.name)
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{
                "job_name": "pageferry",
                "static_configs": [
                    {"targets": [address], "labels": {"instance": instance}}
                    for instance, address in targets.items()]}]}
        # JSON is YAML too.
        (folder / "prometheus.yaml").write_text(json.dumps(config), "utf-8")
        self._log = folder / "log"
        with open(self._log, "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yaml",
                 f"--storage.tsdb.path={folder}/data",
                 "--web.listen-address=127.0.0.1:0"], stderr=log)
        port = None
        while port is None:
            self._check_alive()
            port = _listening_port(self._process.pid)
            time.sleep(0.05)
        self._url = f"http://127.0.0.1:{port}"
        while not self._ready():
            self._check_alive()
            time.sleep(0.05)

    def _check_alive(self):
        if self._process.poll() is not None:
            raise AssertionError(self._log.read_text("utf-8"))

    def _ready(self):
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready") as reply:
                return reply.status == 200
        except OSError:
            return False

    def get(self, path, **parameters):
        """`data` of an answer of its HTTP API; raises where it refuses."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(
                f"{self._url}/api/v1/{path}?{query}") as reply:
            return json.load(reply)["data"]

    def query(self, expression):
        """[(labels, value)] now."""
        return [(sample["metric"], float(sample["value"][1]))
                for sample in self.get("query", query=expression)["result"]]

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()
