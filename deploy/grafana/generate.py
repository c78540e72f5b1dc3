#!/usr/bin/env python3
"""Writes fleet.json and node.json next to this file, or, with --check, says
whether they are what it would write."""

import json
import pathlib
import sys

import fleet
import node

HERE = pathlib.Path(__file__).resolve().parent


def main(arguments):
    stale = []
    for name, dashboard in (("fleet", fleet.DASHBOARD),
                            ("node", node.DASHBOARD)):
        path = HERE / f"{name}.json"
        text = json.dumps(dashboard, indent=2) + "\n"
        if arguments == ["--check"]:
            if not path.exists() or path.read_text("utf-8") != text:
                stale.append(path.name)
        else:
            path.write_text(text, "utf-8")
    if stale:
        print(f"{', '.join(stale)}: not current; run "
              "deploy/grafana/generate.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
