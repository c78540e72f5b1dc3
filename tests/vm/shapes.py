"""The machines to choose from: nodes, processors, distances, HMAT figures.

Distances and HMAT figures are what a socket with DRAM (about 80 ns) and a
CXL expander (about 250 ns) tell. The emulation does not act on them: every
node is equally fast, only the kernel's tiers and fallback orders follow.
"""

import dataclasses
import re

LATENCY_NS = {"own": 80, "socket": 140, "far": 250, "farthest": 400}
BANDWIDTH_MB = {"own": 100000, "socket": 50000, "far": 25000,
                "farthest": 12000}


@dataclasses.dataclass(frozen=True)
class Node:
    """One node; `initiator` is the node whose processors reach it best."""
    size: str
    cpus: str | None
    initiator: int


@dataclasses.dataclass(frozen=True)
class Shape:
    nodes: tuple
    cpu_words: tuple
    distances: dict   # (lower node, higher node) -> SLIT distance
    kinds: dict       # (initiator, target) -> key of the tables above

    def with_sizes(self, text):
        """The same shape with the sizes of a --sizes flag, if any."""
        if not text:
            return self
        sizes = text.split(",")
        if len(sizes) != len(self.nodes):
            raise ValueError(f"--sizes {text}: {len(self.nodes)} sizes wanted")
        for size in sizes:
            if not re.fullmatch(r"[1-9][0-9]*[MG]", size):
                raise ValueError(f"--sizes {text}: {size} is not like 512M, 2G")
        nodes = tuple(dataclasses.replace(node, size=size)
                      for node, size in zip(self.nodes, sizes))
        return dataclasses.replace(self, nodes=nodes)

    def total_mebibytes(self):
        return sum(int(node.size[:-1]) * (1024 if node.size[-1] == "G" else 1)
                   for node in self.nodes)

    def qemu_words(self):
        words = [*self.cpu_words, "-m", f"{self.total_mebibytes()}M"]
        for number, node in enumerate(self.nodes):
            words += ["-object",
                      f"memory-backend-ram,id=m{number},size={node.size}"]
            holder = (f"cpus={node.cpus}" if node.cpus
                      else f"initiator={node.initiator}")
            words += ["-numa",
                      f"node,nodeid={number},memdev=m{number},{holder}"]
        for (source, target), distance in self.distances.items():
            words += ["-numa",
                      f"dist,src={source},dst={target},val={distance}"]
        for (source, target), kind in self.kinds.items():
            common = (f"hmat-lb,initiator={source},target={target},"
                      "hierarchy=memory,data-type=access-")
            words += ["-numa",
                      f"{common}latency,latency={LATENCY_NS[kind]}",
                      "-numa",
                      f"{common}bandwidth,bandwidth={BANDWIDTH_MB[kind]}M"]
        return words


SHAPES = {
    # One socket and one expander.
    "two": Shape(
        nodes=(Node("2G", "0-1", 0), Node("1G", None, 0)),
        cpu_words=("-smp", "2"),
        distances={(0, 1): 20},
        kinds={(0, 0): "own", (0, 1): "far"}),
    # Two sockets, an expander at each.
    "four": Shape(
        nodes=(Node("1G", "0", 0), Node("1G", "1", 1),
               Node("512M", None, 0), Node("512M", None, 1)),
        cpu_words=("-smp", "2,sockets=2"),
        distances={(0, 1): 21, (0, 2): 24, (0, 3): 31,
                   (1, 2): 31, (1, 3): 24, (2, 3): 41},
        kinds={(0, 0): "own", (0, 1): "socket", (0, 2): "far",
               (0, 3): "farthest", (1, 0): "socket", (1, 1): "own",
               (1, 2): "farthest", (1, 3): "far"}),
}
