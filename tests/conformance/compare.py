"""Prints what each backend made of each case, and whether they agree.

    compare.py NAME=FILE...     files as observe.py writes them
"""

import json
import sys


def words(what):
    return "; ".join(
        ", ".join(f"{count} {key}" for key, count in sorted(counts.items()))
        for counts in (what["outcomes"], what["places"]))


def main(arguments):
    seen = {}
    for argument in arguments:
        name, _, path = argument.partition("=")
        with open(path, encoding="utf-8") as file:
            seen[name] = {(case, mode): what
                          for case, mode, what in json.load(file)}
    passed = failed = 0
    for key in next(iter(seen.values())):
        whats = {name: words(found.get(key, {"outcomes": {}, "places": {}}))
                 for name, found in seen.items()}
        label = f"{key[0]}, {key[1]}"
        if len(set(whats.values())) == 1:
            passed += 1
            print(f"ok      {label:<34} {next(iter(whats.values()))}")
        else:
            failed += 1
            print(f"not ok  {label}")
            for name, what in whats.items():
                print(f"        {name:<12} {what}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
