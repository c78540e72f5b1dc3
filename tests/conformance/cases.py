"""The cases: a state that pages can be in, said once for each backend.

`target` is a region as pageferry_target takes it, node 0 where it has pages;
`model` is a region of a scenario, without address and size. Both backends get
the same request for all pages of the region, to node 1, and have to come to
the same outcomes, reasons and places.
"""

import collections

Case = collections.namedtuple("Case", "name pages target model options more",
                              defaults=((), ""))

ON_0 = "placements { node: 0 }"

CASES = [
    Case("anonymous", 64, "anon:64:0", ON_0),
    Case("never touched", 64, "untouched:64", "kind: REGION_KIND_UNTOUCHED"),
    Case("page of zeroes", 64, "zero:64", "kind: REGION_KIND_ZERO"),
    Case("read only", 64, "readonly:64:0",
         ON_0 + " protection: PROTECTION_READ_ONLY"),
    Case("mlocked", 64, "mlocked:64:0", ON_0 + " mlocked: true"),
    Case("two mappers, left", 64, "shm:64:0,mappers=2",
         'kind: REGION_KIND_FILE source: "{file}"', (), "two mappers"),
    Case("two mappers, moved", 64, "shm:64:0,mappers=2",
         'kind: REGION_KIND_FILE source: "{file}"', ("--shared", "move"),
         "two mappers"),
    Case("pinned", 64, "pinned:64:0", ON_0, (), "pin"),
    Case("transparent huge page", 512, "thp:512:0",
         "kind: REGION_KIND_HUGE " + ON_0),
    Case("hugetlb", 512, "hugetlb:512:0", "kind: REGION_KIND_HUGETLB " + ON_0),
]

MODES = ("async", "sync-light", "sync")
ADDRESS = 0x40000000


def scenario():
    """A machine with a process for each case and mode, and their pids."""
    text = ["seed: 1"]
    for node in (0, 1):
        text.append(f"nodes {{ id: {node} capacity_pages: 65536 "
                    f"has_cpu: {'true' if node == 0 else 'false'} }}")
    pids = {}
    for case in CASES:
        for mode in MODES:
            pid = 100 + 2 * len(pids)
            pids[case.name, mode] = pid
            file = f"/f{pid}"
            region = (f"regions {{ start_address: {ADDRESS} pages: {case.pages}"
                      f" {case.model.replace('{file}', file)} }}")
            if case.more == "two mappers":
                text.append(f'files {{ name: "{file}" pages: {case.pages} '
                            f"{ON_0} }}")
                text.append(f'processes {{ pid: {pid + 1} name: "other" '
                            f"{region} }}")
            if case.more == "pin":
                text.append(f"page_faults {{ kind: PAGE_FAULT_KIND_PIN pid: "
                            f"{pid} address: {ADDRESS} pages: {case.pages} }}")
            text.append(f'processes {{ pid: {pid} name: "case" {region} }}')
    return "\n".join(text) + "\n", pids
