"""Asks about every state of the table in this machine, in each mode, and
writes what was said and where the pages are then, as JSON.

    kernel.py OUTPUT      (in the two-node machine; PAGEFERRY_BIN)

PAGEFERRY_STATES: only states whose names this regular expression finds.
"""

import json
import os
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "vm" /
                       "acceptance"))
from all_states import STATES  # noqa: E402, pylint: disable=wrong-import-position
from states import Lab  # noqa: E402, pylint: disable=wrong-import-position
from support import MODES, set_numa_balancing  # noqa: E402, pylint: disable=wrong-import-position
from asking import answer_case  # noqa: E402, pylint: disable=wrong-import-position

WANTED = os.environ.get("PAGEFERRY_STATES", "")


def main(output):
    set_numa_balancing(0)
    lab = Lab()
    answers = []
    for name, state in STATES.items():
        if not re.search(WANTED, name):
            continue
        began = time.monotonic()
        for mode in MODES:
            with state.make(lab, mode) as case:
                answers.append((name, mode,
                                *answer_case(case, lab.daemon, mode)))
        print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)
    lab.close()
    with open(output, "w", encoding="utf-8") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main(sys.argv[1])
