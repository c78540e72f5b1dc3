"""Compares what the model and the kernels said of each state, and where its
pages were then. Prints a table, and what is wrong.

    compare.py NAME=FILE...     files as model.py and kernel.py write them

Each must say what the first says, but for what differences.py lists: a
difference that is not listed is wrong, and so is a listed one that does not
occur.
"""

import json
import re
import sys

from differences import DIFFERENCES, MODES, VARYING
from scenarios import CANNOT_SHOW, SCENARIOS

MISSING = ("nothing", "nowhere")  # answers that a file should have, and lacks


def read(path):
    with open(path, encoding="utf-8") as file:
        return {(state, mode): (said, place)
                for state, mode, said, place in json.load(file)}


def settled(state, mode, answer):
    """The answer; where chance has a part in it and it is one of those that
    may be, the same for all of these."""
    varying = VARYING.get(state)
    if varying is None:
        return answer
    said, place = answer
    may_be = varying.said
    if mode == "sync":
        may_be += "|" + varying.in_sync
    moved = re.findall(r"MOVED (\d+)", said)
    if re.fullmatch(may_be, said) and moved == re.findall(r"on 1 (\d+)", place):
        return ("one of the right answers", "as it says")
    return answer


class Comparison:
    """Answers by column, and by state and mode. `rows`: lines of the table."""

    def __init__(self, columns):
        self.columns = columns
        self.base = next(iter(columns))
        self.used = set()
        self.problems = []
        self.rows = []
        self.passed = 0

    def of_state(self, state, mode):
        found = {name: answers.get((state, mode), MISSING)
                 for name, answers in self.columns.items()}
        cells = {name: settled(state, mode, answer)
                 for name, answer in found.items()}
        right = True
        for name, answer in cells.items():
            expected = self.expected(state, mode, name, cells)
            if expected is not None and answer != expected:
                right = False
                self.problems.append(
                    f"{state}, {mode}: {name} says {'; '.join(found[name])}, "
                    f"expected {'; '.join(expected)}")
        self.passed += right
        self.add_row(state, mode, found)

    def only_kernels(self, state, mode):
        self.add_row(state, mode, {name: answers.get((state, mode), ("-",))
                                   for name, answers in self.columns.items()})

    def add_row(self, state, mode, found):
        base = found[self.base]
        self.rows.append((state, mode, "; ".join(base), *(
            "=" if answer == base else "; ".join(answer)
            for name, answer in found.items() if name != self.base)))

    def expected(self, state, mode, name, cells):
        """None: whatever it says, for the base of states that it can show."""
        for i, difference in enumerate(DIFFERENCES):
            if difference.concerns(state, mode, name):
                self.used.add(i)
                answer = (difference.said, difference.place)
                if answer == cells[self.base]:
                    self.problems.append(
                        f"{state}, {mode}: no difference of {name}")
                return answer
        return None if name == self.base else cells[self.base]


def unanswered(states):
    """States without a scenario or a reason, and those that are no more."""
    listed = {**SCENARIOS, **CANNOT_SHOW}
    yield from (f"{state}: there is no scenario for the model, nor a reason "
                "why it cannot show it" for state in states - set(listed))
    yield from (f"{state}: there is no such state"
                for state in set(listed) - states)
    yield from (f"{state}: it has a scenario, and a reason why it has none"
                for state in set(SCENARIOS) & set(CANNOT_SHOW))


def print_table(heads, rows):
    """Rows of a state that are alike are one."""
    lines, last = [heads], None
    for state, mode, *cells in rows:
        if last is not None and last[0] == state and last[2:] == cells:
            last[1] += ", " + mode
            continue
        last = [state, mode, *cells]
        lines.append(last)
    for line in lines[1:]:
        line[1:2] = ["all"] if line[1].count(",") == 2 else [line[1]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for line in lines:
        print(" | ".join(word.ljust(width)
                         for word, width in zip(line, widths)).rstrip())


def main(arguments):
    columns = dict(argument.split("=", 1) for argument in arguments)
    comparison = Comparison({name: read(path)
                             for name, path in columns.items()})
    # In the order of the last, which makes all states.
    states = list(dict.fromkeys(
        state for answers in reversed(comparison.columns.values())
        for state, _ in answers))
    for state in states:
        for mode in MODES:
            if state in SCENARIOS:
                comparison.of_state(state, mode)
            else:
                comparison.only_kernels(state, mode)
    problems = comparison.problems + list(unanswered(set(states)))
    problems += [f"{difference.state}: a difference is listed that did not "
                 f"occur: {difference.cause}"
                 for i, difference in enumerate(DIFFERENCES)
                 if i not in comparison.used]
    print_table(("state", "modes", *columns), comparison.rows)
    print("\nDifferences that are right:")
    for difference in DIFFERENCES:
        print(f"  {difference.state} ({', '.join(difference.columns)}): "
              f"{difference.cause}")
    for state, varying in VARYING.items():
        print(f"  {state} (all): {varying.cause}")
    print("The model cannot show:")
    for state, cause in CANNOT_SHOW.items():
        print(f"  {state}: {cause}")
    print()
    for problem in problems:
        print("not ok  " + problem)
    print(f"{comparison.passed} passed, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
