#!/bin/bash
# Checks pageferry_target. Usage: tests/target/selftest.sh PROGRAM [NODE]
# Prints "ok NAME", "not ok NAME" or "skip NAME # WHY" (a kind this machine
# cannot have now); exits 1 if anything failed.
set -u

if [ $# -lt 1 ]; then
  echo "usage: tests/target/selftest.sh PROGRAM [NODE]" >&2
  exit 64
fi

# In the guest of tests/vm nothing is skipped: give the kernel what the kinds
# need. On a person's machine its settings are left alone.
if [ -n "${PAGEFERRY_VM_KERNEL:-}" ]; then
  set -e
  modprobe zram
  echo 128M >/sys/block/zram0/disksize
  mkswap /dev/zram0 >/dev/null
  swapon /dev/zram0
  echo 1 >/sys/kernel/mm/ksm/run
  echo 4 >"/sys/devices/system/node/node${2:-0}/hugepages/hugepages-2048kB/nr_hugepages"
  echo 0 >/proc/sys/kernel/numa_balancing  # it would move pages back
fi

exec /usr/bin/python3 - "$@" <<'END'
import json
import os
import signal
import subprocess
import sys
import time

PROGRAM, NODE = sys.argv[1], (sys.argv + ["0"])[2]
failed = False


class Target:
    def __init__(self, *flags):
        self.process = subprocess.Popen(
            [PROGRAM, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        self.hello = json.loads(self.process.stdout.readline())

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        answer = self.ask("stop")
        return answer, self.process.wait(30)


def check(name, holds, detail=""):
    global failed
    failed = failed or not holds
    print(f"{'ok' if holds else 'not ok'} {name}"
          f"{'' if holds else f' # {detail}'}", flush=True)


def check_kind(region, pages, checked):
    kind = region.split(":")[0]
    target = Target("--region", region, "--threads", "1")
    hello = target.hello["regions"][0]
    time.sleep(0.05)
    report, places = target.ask("report"), target.ask("locate")
    answer, code = target.stop()
    intact = code == 0 and answer["intact"] and report["errors"] == 0
    if not hello["ok"]:
        check(kind + " says why not and stays intact",
              intact and hello["note"], answer)
        print(f"skip {kind} # {hello['note']}", flush=True)
        return
    right = (intact and (pages is None or hello["pages"] == pages) and
             (checked is None or answer["checked_pages"] == checked) and
             target.hello["pid"] == target.process.pid and
             hello["start"] > 0)
    check(region, right, f"{target.hello} {report} {places} {answer} {code}")


N = NODE
for region, pages, checked in [
        (f"anon:300:{N},hole=7+10-12,pin=3", 300, 296),
        (f"untouched:300:{N}", 300, 0), (f"zero:300:{N}", 300, 300),
        (f"readonly:300:{N}", 300, 300), (f"protnone:300:{N}", 300, 300),
        (f"mlocked:300:{N},hole=5", 300, 299),
        (f"shared-fork:300:{N}", 300, 300), (f"shm:300:{N}", 300, 300),
        (f"shm:300:{N},mappers=2", 300, 300), (f"twice:300:{N}", 300, 300),
        (f"tmpfs:300:{N}", 300, 300), (f"file:300:{N}", 300, 300),
        (f"file:300:{N},dirty=1", 300, 300), (f"ksm:300:{N},wait=20", 300, 300),
        (f"thp:1000:{N}", 1024, 1024), (f"hugezero:512:{N}", 512, 512),
        (f"hugetlb:512:{N}", 512, 512), (f"swapped:300:{N},wait=2", 300, 300),
        (f"pinned:300:{N}", 300, 300), (f"pinned:300:{N},every=9", 300, 300),
        (f"holes:300:{N}", 300, 150), ("vdso:1", None, 0), ("vvar:1", None, 0),
        (f"changing:1000:{N}", 1000, 1000),
        (f"changing:1000:{N},shared=1", 1000, 1000), ("device:9", 9, 0)]:
    check_kind(region, pages, checked)

target = Target("--region", f"anon:2000:{N},pin=3+1000,hole=9", "--region",
                "untouched:8", "--region", f"shared-fork:50:{N}",
                "--threads", "3", "--cpu", "0")
check("introduces its pins", target.hello["regions"][0]["pins"] == 2)
check("introduces its child", len(target.hello["child_pids"]) == 1)
places = target.ask("locate")["regions"]
check("locates its pages", places[0]["nodes"].get(N) == 1999, places)
check("fills a hole", target.ask("touch 0 9") == {"touched": True})
check("fills an untouched page", target.ask("touch 1 7") == {"touched": True})
check("refuses a page outside", "error" in target.ask("touch 1 8"))
check("refuses nonsense", "error" in target.ask("frobnicate"))
places = target.ask("locate")["regions"]
check("locates the filled hole",
      sum(places[0]["nodes"].values()) == 2000 and
      min(map(int, places[0]["nodes"])) >= 0, places)
check("unpins", target.ask("unpin 0") == {"unpinned": 2})
check("lets its child end", target.ask("exit-child") == {"child_exit": 0})
check("resets", target.ask("reset") == {"reset": True})
first = target.ask("report")
time.sleep(0.2)
second = target.ask("report")
check("keeps going", second["loops"] > first["loops"] > 0, (first, second))
os.kill(target.process.pid, signal.SIGSTOP)
time.sleep(0.3)
os.kill(target.process.pid, signal.SIGCONT)
gap_us = target.ask("report")["longest_gap_us"]
check("sees a gap of its own", 250000 <= gap_us < 5000000, gap_us)
middle = target.ask("check")
check("checks while running",
      middle["intact"] and middle["checked_pages"] == 2051, middle)

# A store by another hand is what a lost store looks like.
with open(f"/proc/{target.process.pid}/mem", "r+b", buffering=0) as memory:
    memory.seek(target.hello["regions"][0]["start"] + 77 * 4096 + 8)
    memory.write(b"x")
answer, code = target.stop()
check("tells a lost store", code == 1 and not answer["intact"] and
      answer["lost"] == [{"region": 0, "index": 77}], (answer, code))

target = Target("--region", "changing:3000", "--region",
                "changing:2000,shared=1", "--region", "anon:10", "--seed", "7")
check("does not change unasked", target.ask("rest") == {"changes": 0})
target.ask("shake")
time.sleep(2)
changes = target.ask("rest")["changes"]
check("changes what it was told to", changes > 0, changes)
middle = target.ask("check")
check("loses nothing by changing", middle["intact"], middle)
# A page that was stored to, or one that was not and has to read zero.
with open(f"/proc/{target.process.pid}/mem", "r+b", buffering=0) as memory:
    memory.seek(target.hello["regions"][0]["start"] + 99 * 4096 + 8)
    memory.write(b"x")
answer, code = target.stop()
check("tells a lost store of a changing region",
      code == 1 and not answer["intact"], (answer, code))

target = Target("--region", "anon:10", "--idle")
answer = target.ask("exec")
check("execs", answer == {"pid": target.process.pid, "asleep": True}, answer)
target.process.stdin.close()
check("wakes at end of input", target.process.wait(10) == 0)
for name, end in [("SIGTERM", lambda p: p.send_signal(signal.SIGTERM)),
                  ("end of input", lambda p: p.stdin.close())]:
    target = Target("--region", "anon:10")
    end(target.process)
    code = target.process.wait(10)
    check(f"stops at {name}",
          code == 0 and json.loads(target.process.stdout.read())["intact"])

for flags in (["--region", "nosuch:1"], ["--region", "anon"], [],
              ["--region", "anon:5,hole=5"], ["--region", "anon:1,dirty=1"],
              ["--region", "anon:x"], ["--threads"], ["--what", "1"]):
    result = subprocess.run([PROGRAM, *flags], capture_output=True, text=True)
    check(f"refuses '{' '.join(flags)}'", result.returncode == 64 and
          result.stderr.startswith("pageferry_target: "), result)

if os.geteuid() == 0:
    target = Target("--region", f"anon:4096:{N}", "--uid", "1234")
    status = open(f"/proc/{target.process.pid}/status").read()
    owner = os.stat(f"/proc/{target.process.pid}/pagemap").st_uid
    check("becomes a user", "Uid:\t1234\t1234" in status and owner == 1234 and
          target.hello["regions"][0]["ok"], target.hello)
    check("stops as a user", target.stop()[1] == 0)
sys.exit(failed)
END
