"""Whole processes and cgroups, while they run."""

import json
import os
import subprocess

import look
import support

CGROUPS = "/sys/fs/cgroup"


class ProcessTest(support.MachineTest):
    """Base: migrations of all that a target has."""

    def migrate_all(self, daemon, *arguments, expect=0):
        done = daemon.cli("migrate", "--all", *arguments)
        self.assertEqual(done.returncode, expect,
                         done.stderr + done.stdout[-2000:] + daemon.log())
        return support.Events(done.stdout)

    def cgroup(self):
        """A new cgroup, as the API names it."""
        name = f"pageferry-{os.getpid()}-{id(self)}"
        path = os.path.join(CGROUPS, name)
        os.mkdir(path)
        self.addCleanup(os.rmdir, path)
        return "/" + name

    @staticmethod
    def put_into(cgroup, target):
        with open(f"{CGROUPS}{cgroup}/cgroup.procs", "w",
                  encoding="ascii") as procs:
            procs.write(str(target.pid))

    def report(self, what, events, daemon):
        summary = events.summary
        print(f"{what} on {support.KERNEL}: requested "
              f"{summary['requested_pages']}, moved {summary['moved_pages']}, "
              f"failures {events.failures()}, elapsed {summary['elapsed']}, "
              f"peak of the daemon {daemon.peak_bytes() >> 20} MiB",
              flush=True)


class WholeProcessTest(ProcessTest):

    def test_all_kinds_of_memory_move_in_every_mode(self):
        self.reserve_huge_pages(8)
        target = self.target("anon:4000:0", "thp:1024:0", "hugetlb:512:0",
                             "shm:200:0", "tmpfs:100:0", "mlocked:50:0",
                             "readonly:60:0", "holes:100:0", "pinned:8:0",
                             "zero:40", threads=2)
        daemon = self.daemon()
        for index, mode in enumerate(support.MODES):
            source, destination = index % 2, (index + 1) % 2
            # What is pinned on node 0 stays there, and that is said.
            events = self.migrate_all(daemon, "--pid", target.pid, "--from",
                                      source, "--to", destination, "--mode",
                                      mode, expect=2 if source == 0 else 0)
            self.assertEqual(events.summary["stop_reason"],
                             "STOP_REASON_COMPLETED")
            self.check_sums(events, events.count("requested_pages"))
            self.check_truth(events, target)
            for kind in range(7):  # not the holes
                found = target.nodes(kind)
                self.assertEqual(set(found), {destination},
                                 target.region(kind))
            self.assertEqual(events.failures().get("PINNED", 0),
                             8 if source == 0 else 0)
        self.check_intact(target)

    def test_other_nodes_and_the_dry_run_leave_everything(self):
        target = self.target("anon:500:0", "anon:300:1")
        daemon = self.daemon()
        events = self.migrate_all(daemon, "--pid", target.pid, "--from", 0,
                                  "--to", 1, "--mode", "sync", "--dry-run")
        self.assertGreaterEqual(events.count("would_move_pages"), 500)
        self.assertEqual(set(target.nodes(0)), {0})
        events = self.migrate_all(daemon, "--pid", target.pid, "--from", 1,
                                  "--to", 1, "--mode", "sync")
        self.assertEqual(events.count("requested_pages"), 0)
        self.assertEqual(set(target.nodes(1)), {1})
        self.check_intact(target)

    def test_a_gibibyte_while_it_runs(self):
        target = self.target("anon:262144:0", threads=2)
        daemon = self.own_daemon()
        before = daemon.peak_bytes()
        command = daemon.cli_command("migrate", "--all", "--pid", target.pid,
                                     "--from", 0, "--to", 1, "--mode", "sync")
        with subprocess.Popen(command, stdout=subprocess.PIPE,
                              text=True) as process:
            text = ""
            while '"results"' not in text:
                text += process.stdout.readline()
            # The first pages have moved, and the last are where they were.
            last = target.addresses()[-2000:]
            self.assertEqual(set(look.locate(target.pid, last)), {0})
            text += process.stdout.read()
        events = support.Events(text)
        self.report("a process of 1 GiB", events, daemon)
        self.assertGreaterEqual(events.count("moved_pages"), 262_144)
        self.check_sums(events, events.count("requested_pages"))
        self.check_truth(events, target)
        self.assertEqual(set(target.nodes()), {1})
        self.assertLess(daemon.peak_bytes() - before, 128 << 20)
        self.check_intact(target)

    def test_exit_of_the_process_ends_it(self):
        target = self.target("anon:100000:0")
        daemon = self.daemon()
        command = daemon.cli_command("migrate", "--all", "--pid", target.pid,
                                     "--from", 0, "--to", 1, "--mode", "async")
        with subprocess.Popen(command, stdout=subprocess.PIPE,
                              text=True) as process:
            text = ""
            while '"results"' not in text:
                text += process.stdout.readline()
            target.process.kill()
            text += process.stdout.read()
        events = support.Events(text)
        self.assertEqual(events.summary["stop_reason"],
                         "STOP_REASON_PROCESS_EXITED")
        self.check_sums(events, events.count("requested_pages"))

    def test_a_node_outside_its_cpuset_is_refused(self):
        target = self.target("anon:100:0")
        cgroup = self.cgroup()
        with open(f"{CGROUPS}{cgroup}/cpuset.mems", "w",
                  encoding="ascii") as mems:
            mems.write("0")
        self.put_into(cgroup, target)
        done = self.daemon().cli("migrate", "--all", "--pid", target.pid,
                                 "--from", 0, "--to", 1, "--mode", "sync")
        self.assertEqual(done.returncode, 3)
        self.assertIn("NODE_NOT_ALLOWED", done.stderr)
        self.assertIn("cpuset", done.stderr)
        self.assertEqual(set(target.nodes()), {0})
        target.close()

    def test_hints_do_not_hide_a_running_process(self):
        target = self.target("anon:20000:1", options=("--cpu", "0"))
        support.set_numa_balancing(1)  # from here on the kernel moves them, too
        support.wait_for(
            lambda: support.KERNEL != "6.1" or
            any(node < 0 for node in target.nodes()) or
            0 in target.nodes(),
            "hints, or what balancing moves by itself")
        events = self.migrate_all(self.daemon(), "--pid", target.pid, "--from",
                                  1, "--to", 0, "--mode", "async")
        self.assertNotIn("NUMA_HINT", events.failures())
        self.assertEqual(
            [node for node in target.nodes() if node == 1], [])
        self.check_intact(target)


class CgroupTest(ProcessTest):

    def test_five_processes_one_of_which_appears_and_one_ends(self):
        cgroup = self.cgroup()
        targets = [self.target("anon:15000:0", "pinned:4:0")
                   for _ in range(5)]
        for target in targets[:4]:
            self.put_into(cgroup, target)
        daemon = self.own_daemon()
        before = daemon.peak_bytes()
        command = daemon.cli_command("migrate", "--all", "--cgroup", cgroup,
                                     "--from", 0, "--to", 1, "--mode", "async")
        with subprocess.Popen(command, stdout=subprocess.PIPE,
                              text=True) as process:
            text = ""
            while '"results"' not in text:
                text += process.stdout.readline()
            self.put_into(cgroup, targets[4])
            targets[3].close()
            text += process.stdout.read()
        by_pid = {}
        joined = []
        for line in text.splitlines():
            event = json.loads(line)
            if "results" in event:
                by_pid.setdefault(event["results"]["pid"], []).append(line)
            if "process_joined" in event:
                joined.append(event["process_joined"]["process"]["pid"])
        self.assertEqual(joined, [targets[4].pid])
        summary = support.Events(text)
        self.assertEqual(
            {ref["pid"] for ref in summary.started["processes"]},
            {target.pid for target in targets[:4]})
        self.report("a cgroup of 5 processes", summary, daemon)
        self.assertEqual(summary.failures().get("PINNED"), 16)
        for target in targets[:3] + targets[4:]:
            self.assertEqual(set(target.nodes(0)), {1})
            events = support.Events("\n".join(by_pid[target.pid]))
            self.assertEqual(events.doubles, [])
            self.check_truth(events, target)
            self.check_intact(target)
            target.close()
        self.assertLess(daemon.peak_bytes() - before, 64 << 20)

    def test_processes_below_belong_to_it(self):
        cgroup = self.cgroup()
        os.mkdir(f"{CGROUPS}{cgroup}/inner")
        self.addCleanup(os.rmdir, f"{CGROUPS}{cgroup}/inner")
        target = self.target("anon:300:0")
        self.put_into(cgroup + "/inner", target)
        daemon = self.daemon()
        located = daemon.cli("locate", "--cgroup", cgroup)
        self.assertEqual(located.returncode, 0, located.stderr)
        self.assertEqual({json.loads(line)["pid"]
                          for line in located.stdout.splitlines()},
                         {target.pid})
        self.migrate_all(daemon, "--cgroup", cgroup, "--from", 0, "--to", 1,
                         "--mode", "sync")
        self.assertEqual(set(target.nodes()), {1})
        self.check_intact(target)
        target.close()

    def test_what_is_no_cgroup_is_not_found(self):
        done = self.daemon().cli("migrate", "--all", "--cgroup", "/absent",
                                 "--from", 0, "--to", 1, "--mode", "sync")
        self.assertEqual(done.returncode, 3)
        self.assertIn("CGROUP_NOT_FOUND", done.stderr)
