"""Debian's kernels, fetched and unpacked into the cache, never installed.

A kernel in the cache is a folder kernel-SERIES with the files of its package
and an initramfs. The folder appears by a rename when it is whole, so a broken
download leaves nothing behind but a folder that the next run removes.
"""

import dataclasses
import hashlib
import lzma
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

SERIES = ("6.1", "6.12")

_PACKAGE = {
    "6.1": r"linux-image-(6\.1\.0-\d+)-amd64(-unsigned)?",
    "6.12": r"linux-image-(6\.12\.\d+(?:\+deb\d+)?)-amd64(-unsigned)?",
}
# What the initramfs loads to reach the host's files; what is built into a
# kernel is not looked for.
_BOOT_MODULES = ("virtio_pci", "virtio_console", "9p", "9pnet_virtio",
                 "overlay")


class Unavailable(Exception):
    """No such kernel in the cache and none to be had."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    image: pathlib.Path
    modules: pathlib.Path     # .../lib/modules/RELEASE
    initramfs: pathlib.Path


def find_or_fetch(series, cache, scripts):
    """The kernel, from the cache if there. The caller holds the lock."""
    folder = cache / f"kernel-{series}"
    if not folder.exists():
        for leftover in cache.glob("fetch-*"):
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as name:
            _fetch(series, pathlib.Path(name))
            os.rename(pathlib.Path(name) / "root", folder)
    modules = next((folder / "lib/modules").iterdir())
    image = next((folder / "boot").glob("vmlinuz-*"))
    return Kernel(image, modules, _initramfs(folder, modules, scripts))


def _fetch(series, work):
    failures = []
    names = _candidates(series)
    if not names:
        _run(["apt-get", "-q", "update"], work)
        names = _candidates(series)
    for name in names[:3]:
        try:
            # Run as root there is no other user who may write here.
            _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root",
                  "download", name], work)
            package = next(work.glob("*.deb"))
            _run(["dpkg", "-x", package, work / "root"], work)
            package.unlink()
            root = work / "root"
            release = next((root / "lib/modules").iterdir()).name
            _run(["/sbin/depmod", "-b", root, release], work)
            return
        except (Unavailable, StopIteration) as error:
            failures.append(f"{name}: {error}")
            shutil.rmtree(work / "root", ignore_errors=True)
    raise Unavailable(f"no package of Linux {series} to be had\n" +
                      "\n".join(failures))


def _candidates(series):
    """Package names of a series, newest first, signed before unsigned."""
    listing = _run(["apt-cache", "search", "--names-only",
                    "^linux-image-" + re.escape(series) + "[.]"], "/")
    found = []
    for line in listing.splitlines():
        match = re.fullmatch(_PACKAGE[series], line.split(" - ")[0].strip())
        if match:
            numbers = [int(n) for n in re.findall(r"\d+", match[1])]
            found.append((numbers, not match[2], match[0]))
    return [name for _, _, name in sorted(found, reverse=True)]


def _run(command, folder):
    result = subprocess.run([str(word) for word in command], cwd=folder,
                            stdin=subprocess.DEVNULL, capture_output=True,
                            text=True)
    if result.returncode:
        raise Unavailable(f"{command[0]} failed: {result.stderr.strip()}")
    return result.stdout


def _initramfs(folder, modules, scripts):
    """The common part of the initramfs; made anew when the scripts change."""
    busybox = shutil.which("busybox", path="/bin:/usr/bin")
    if not busybox:
        raise Unavailable("busybox is missing: deploy/install-packages.sh vm")
    scripts_bytes = [(name, (scripts / name).read_bytes())
                     for name in ("guest-init", "guest-main")]
    key = hashlib.sha256(b"".join(text for _, text in scripts_bytes) +
                         pathlib.Path(busybox).read_bytes()).hexdigest()[:16]
    made = folder / f"initramfs-{key}"
    if made.exists():
        return made
    for old in folder.glob("initramfs-*"):
        old.unlink()
    entries = [(name, 0o40755, b"") for name in
               ("bin", "modules", "proc", "sys", "dev", "host", "layer",
                "root")]
    entries.append(("bin/busybox", 0o100755,
                    pathlib.Path(busybox).read_bytes()))
    entries.append(("init", 0o100755, scripts_bytes[0][1]))
    entries.append(("main", 0o100755, scripts_bytes[1][1]))
    for number, path in enumerate(_boot_modules(modules)):
        data = (modules / path).read_bytes()
        if path.endswith(".xz"):
            data = lzma.decompress(data)
        entries.append((f"modules/{number:02}.ko", 0o100644, data))
    part = folder / "part"
    part.write_bytes(cpio(entries))
    os.rename(part, made)
    return made


def _boot_modules(modules):
    """Paths of the modules to load, in an order that satisfies them."""
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, wanted = line.partition(":")
        needs[path] = wanted.split()
    by_name = {pathlib.Path(path).name.split(".")[0].replace("-", "_"): path
               for path in needs}
    order = []

    def add(path):
        for wanted in needs[path]:
            add(wanted)
        if path not in order:
            order.append(path)

    for name in _BOOT_MODULES:
        if name in by_name:
            add(by_name[name])
    return order


def cpio(entries):
    """An archive in the kernel's "newc" format of (name, mode, bytes)."""
    out = bytearray()
    for number, (name, mode, data) in enumerate(
            [*entries, ("TRAILER!!!", 0, b"")], start=1):
        encoded = os.fsencode(name) + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0,
                  len(encoded), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields)
        out += encoded
        out += b"\0" * (-len(out) % 4)
        out += data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)
