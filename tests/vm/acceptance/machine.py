"""What some page states need of the machine: swap, KSM, huge pages of both
nodes, a file system on a device; and nothing that moves pages by itself."""

import glob
import os
import subprocess

FILES = "/mnt/pageferry-files"
HUGE_PAGES = "/sys/devices/system/node/node{}/hugepages/" \
    "hugepages-2048kB/nr_hugepages"
KSM = "/sys/kernel/mm/ksm/"
KHUGEPAGED = "/sys/kernel/mm/transparent_hugepage/khugepaged/"
NEVER_MS = str(2**32 - 1)


def _run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def _set(test, path, value):
    """Writes a knob for as long as the test runs."""
    with open(path, encoding="ascii") as knob:
        before = knob.read().strip()
    _write(path, value)
    test.addCleanup(_write, path, before)


def _write(path, value):
    with open(path, "w", encoding="ascii") as knob:
        knob.write(value)


def _new_zram(size):
    if not os.path.exists("/sys/class/zram-control"):
        _run("modprobe", "zram", "num_devices=0")
    with open("/sys/class/zram-control/hot_add", encoding="ascii") as knob:
        number = knob.read().strip()
    _write(f"/sys/block/zram{number}/disksize", size)
    return number


def _remove_zram(number):
    _write("/sys/class/zram-control/hot_remove", number)


def prepare(test):
    """Until the end of `test`."""
    swap = _new_zram("256M")
    test.addCleanup(_remove_zram, swap)
    _run("mkswap", f"/dev/zram{swap}")
    _run("swapon", f"/dev/zram{swap}")
    test.addCleanup(_run, "swapoff", f"/dev/zram{swap}")
    disk = _new_zram("256M")
    test.addCleanup(_remove_zram, disk)
    _run("mkfs.ext4", "-q", f"/dev/zram{disk}")
    os.makedirs(FILES, exist_ok=True)
    _run("mount", "-t", "ext4", f"/dev/zram{disk}", FILES)
    test.addCleanup(_run, "umount", FILES)
    for path in glob.glob(HUGE_PAGES.format("*")):
        _set(test, path, "12")
    _set(test, KSM + "pages_to_scan", "4000")
    _set(test, KSM + "run", "1")
    _set(test, KHUGEPAGED + "scan_sleep_millisecs", NEVER_MS)
