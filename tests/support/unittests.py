"""Runs the unittest modules test_*.py of a folder, or those named, and ends
with a line `N passed, N failed`.

    support/unittests.py FOLDER [MODULE[.CLASS[.TEST]]...]

A test that is skipped says why and counts as neither.
"""

import sys
import time
import unittest


class Result(unittest.TextTestResult):
    """A line for each test, at once. `passed`: how many did."""

    def startTestRun(self):  # pylint: disable=invalid-name
        self.passed = 0
        self.started = time.monotonic()  # a class may fail before its tests

    def startTest(self, test):  # pylint: disable=invalid-name
        self.started = time.monotonic()
        super(unittest.TextTestResult, self).startTest(test)

    def say(self, word, test, more=""):
        seconds = time.monotonic() - self.started
        self.stream.writeln(f"{word:<8}{test.id()} ({seconds:.1f} s){more}")
        self.stream.flush()

    def addSuccess(self, test):  # pylint: disable=invalid-name
        super(unittest.TextTestResult, self).addSuccess(test)
        self.passed += 1
        self.say("ok", test)

    def addSkip(self, test, reason):  # pylint: disable=invalid-name
        super(unittest.TextTestResult, self).addSkip(test, reason)
        self.say("skipped", test, ": " + reason)

    def addFailure(self, test, err):  # pylint: disable=invalid-name
        super(unittest.TextTestResult, self).addFailure(test, err)
        self.say("not ok", test)

    def addError(self, test, err):  # pylint: disable=invalid-name
        super(unittest.TextTestResult, self).addError(test, err)
        self.say("not ok", test)

    def addSubTest(self, test, subtest, err):  # pylint: disable=invalid-name
        super(unittest.TextTestResult, self).addSubTest(test, subtest, err)
        if err is not None:
            self.say("not ok", subtest)


def main(folder, names):
    sys.path.insert(0, folder)
    loader = unittest.TestLoader()
    suite = (loader.loadTestsFromNames(names) if names else
             loader.discover(folder, pattern="test_*.py"))
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=0,
                                     resultclass=Result)
    result = runner.run(suite)
    broken = {test.id().split(" ")[0] for test, _ in
              result.failures + result.errors}
    print(f"{result.passed} passed, {len(broken)} failed", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
