"""What is refused on a real machine: which code, and words that say what to
mend."""

import json
import os
import subprocess
import unittest

from support import MachineTest, wait_for

CODES = {"INVALID_ARGUMENT": 3, "NOT_FOUND": 5, "PERMISSION_DENIED": 7,
         "FAILED_PRECONDITION": 9}
CGROUP = "/sys/fs/cgroup/pageferry-test"
# Profiles of deploy/README.md, as bounding sets of setpriv(1).
OBSERVE = "-all,+sys_ptrace,+dac_read_search"
MIGRATE = OBSERVE + ",+sys_nice"


def with_capabilities(bounding_set):
    return ("setpriv", "--bounding-set", bounding_set, "--inh-caps=-all")


class Refuses(MachineTest):

    def refused(self, daemon, code, words, *arguments):
        done = daemon.cli("migrate", "--mode", "sync", *arguments)
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        # The refusal, as JSON, is the last line.
        refusal = json.loads(done.stderr.splitlines()[-1])
        self.assertEqual(refusal["code"], CODES[code], refusal)
        for word in words:
            self.assertIn(word, json.dumps(refusal))

    def test_processes_that_are_no_targets(self):
        daemon = self.daemon()
        zombie = subprocess.Popen(["true"])  # pylint: disable=consider-using-with
        self.addCleanup(zombie.wait)

        def is_zombie():
            with open(f"/proc/{zombie.pid}/stat", encoding="ascii") as stat:
                return stat.read().split()[2] == "Z"

        wait_for(is_zombie, "a zombie")
        for pid, words in ((1, ["init"]), (2, ["kernel thread"]),
                           (zombie.pid, ["zombie"]),
                           (daemon.process.pid, ["pageferryd itself"])):
            self.refused(daemon, "FAILED_PRECONDITION", [str(pid), *words],
                         "--pid", pid, "--to", 1, "--address", "0x10000")

    def test_processes_that_are_not_there(self):
        daemon = self.daemon()
        gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True,
                              text=True, check=True)
        pid = gone.stdout.strip()
        self.refused(daemon, "NOT_FOUND", [pid], "--pid", pid, "--to", 1,
                     "--address", "0x10000")
        target = self.target("anon:10:0")
        self.refused(daemon, "NOT_FOUND", [str(target.pid), "tick"], "--pid",
                     target.pid, "--start-time", 1, "--to", 1, "--address",
                     "0x10000")

    def test_nodes_that_are_not_there(self):
        daemon = self.daemon()
        target = self.target("anon:10:0")
        self.refused(daemon, "INVALID_ARGUMENT",
                     ["batches[0].destination_node", "17"], "--pid", target.pid,
                     "--to", 17, "--range", target.span())

    def test_nodes_outside_the_targets_cpuset(self):
        daemon = self.daemon()
        target = self.target("anon:10:0")
        with open("/sys/fs/cgroup/cgroup.subtree_control", "w",
                  encoding="ascii") as control:
            control.write("+cpuset")
        os.mkdir(CGROUP)
        self.addCleanup(os.rmdir, CGROUP)
        self.addCleanup(target.close)
        with open(CGROUP + "/cpuset.mems", "w", encoding="ascii") as mems:
            mems.write("0")
        with open(CGROUP + "/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write(str(target.pid))
        self.refused(daemon, "FAILED_PRECONDITION", ["node 1", "cpuset"],
                     "--pid", target.pid, "--to", 1, "--range", target.span())

    def test_rights_that_are_missing(self):
        target = self.target("anon:10:0", options=("--uid", "1000"))
        observer = self.own_daemon(prefix=with_capabilities(OBSERVE))
        self.refused(observer, "PERMISSION_DENIED", ["CAP_SYS_NICE"], "--pid",
                     target.pid, "--to", 1, "--range", target.span(),
                     "--shared", "move")
        bare = self.own_daemon(prefix=with_capabilities("-all"))
        self.refused(bare, "PERMISSION_DENIED", ["CAP_DAC_READ_SEARCH"],
                     "--pid", target.pid, "--to", 1, "--range", target.span())
        ptrace_less = self.own_daemon(
            prefix=with_capabilities("-all,+dac_read_search"))
        self.refused(ptrace_less, "PERMISSION_DENIED", ["CAP_SYS_PTRACE"],
                     "--pid", target.pid, "--to", 1, "--range", target.span())

    def test_two_daemons_on_one_socket(self):
        daemon = self.daemon()
        binary = daemon.cli_command()[0] + "d"
        second = subprocess.run(
            [binary, "--listen", daemon.endpoint, "--metrics-address", "off"],
            capture_output=True, text=True, check=False)
        self.assertEqual(second.returncode, 1, second.stderr)
        self.assertEqual(daemon.cli("health").returncode, 0)


class WorksWithTheLeastPrivilege(MachineTest):

    def test_targets_of_another_user_with_the_migrate_profile(self):
        daemon = self.own_daemon(prefix=with_capabilities(MIGRATE))
        with open(f"/proc/{daemon.process.pid}/status",
                  encoding="ascii") as status:
            effective = next(line.split()[1] for line in status
                             if line.startswith("CapEff:"))
        # SYS_NICE 23, SYS_PTRACE 19, DAC_READ_SEARCH 2 and nothing else.
        self.assertEqual(int(effective, 16), 1 << 23 | 1 << 19 | 1 << 2)
        target = self.target("anon:4096:0,pin=9,hole=10", "thp:1024:0",
                             options=("--uid", "1000"))
        with open(f"/proc/{target.pid}/status", encoding="ascii") as status:
            uid = next(line.split()[1] for line in status
                       if line.startswith("Uid:"))
        self.assertEqual(uid, "1000")
        events = self.migrate(daemon, target, "--to", 1, "--mode", "async",
                              "--range", target.span(0), "--range",
                              target.span(1), expect=2)
        self.check_sums(events, 4096 + 1024)
        self.check_truth(events, target)
        # Without page states a pin cannot be told from anything else.
        self.assertEqual(events.by_outcome(), {
            "MOVED": 4094 + 1024, "FAILED BUSY": 1, "FAILED NOT_PRESENT": 1})
        self.check_intact(target)

    def test_the_observe_profile_locates(self):
        daemon = self.own_daemon(prefix=with_capabilities(OBSERVE))
        target = self.target("anon:100:1", options=("--uid", "1000"))
        done = daemon.cli("locate", "--pid", target.pid, "--range",
                          target.span())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"node":1', done.stdout.replace(" ", ""))

    def test_one_profile_tells_what_it_lacks(self):
        done = self.own_daemon(prefix=with_capabilities(MIGRATE)).cli(
            "capabilities")
        self.assertIn("CAP_SYS_ADMIN", done.stdout)
        self.assertIn("BUSY", done.stdout)


class StopsAndStartsAgain(MachineTest):

    def test_a_socket_left_by_a_killed_daemon_is_taken_over(self):
        first = self.own_daemon()
        first.process.kill()
        first.process.wait()
        with open(os.devnull, "w", encoding="ascii") as null:
            second = subprocess.Popen(  # pylint: disable=consider-using-with
                [first.cli_command()[0] + "d", "--listen", first.endpoint,
                 "--metrics-address", "off"], stderr=null)
        self.addCleanup(second.wait)
        self.addCleanup(second.terminate)
        wait_for(lambda: first.cli("health").returncode == 0,
                 "the second daemon")


if __name__ == "__main__":
    unittest.main()
