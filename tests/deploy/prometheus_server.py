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
    """Scrapes `targets`, {(cluster, instance): address}, every second, with
    `rules` (a file)."""

    def __init__(self, rules, targets):
        self._folder = tempfile.TemporaryDirectory(prefix="prometheus-")
        folder = pathlib.Path(self._folder.name)
        self._targets = folder / "targets.json"
        self.scrape(targets)
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{
                "job_name": "pageferry",
                "file_sd_configs": [{"files": [str(self._targets)]}]}]}
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

    def scrape(self, targets):
        """From now on these."""
        text = json.dumps([
            {"targets": [address],
             "labels": {"cluster": cluster, "instance": instance}}
            for (cluster, instance), address in targets.items()])
        fresh = self._targets.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        fresh.rename(self._targets)

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

    def query_range(self, expression, span):
        """[(labels, [(time, value)])], at each second counted back from its
        end; without values that are no number."""
        begin, end = span
        found = self.get("query_range", query=expression, end=end, step=1,
                         start=end - int(end - begin))["result"]
        series = [(one["metric"], [(moment, float(value))
                                   for moment, value in one["values"]
                                   if value != "NaN"]) for one in found]
        return [(labels, points) for labels, points in series if points]

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()
