"""The functions of the kernel's migration core are where the README says."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
README = ROOT / "server/model/README.md"

# Every function of the design, by its name in Linux 4.0.
FUNCTIONS = {
    "migrate_pages", "get_new_page", "put_new_page", "unmap_and_move",
    "unmap_and_move_huge_page", "__unmap_and_move", "move_to_new_page",
    "migrate_page", "migrate_page_move_mapping", "migrate_page_copy",
    "buffer_migrate_page", "fallback_migrate_page", "writeout",
    "balloon_page_migrate", "try_to_unmap", "rmap_walk",
    "remove_migration_ptes", "remove_migration_pte", "do_migrate_pages",
    "migrate_to_node",
}


def rows():
    """The table's rows, as (name in Linux, name here, file, modes)."""
    pattern = re.compile(
        r"^\| `(\w+)` \| `(\w+)`[^|]* \| `([\w/.]+)` \| [^|]+ \| ([^|]+) \|$",
        re.MULTILINE)
    return pattern.findall(README.read_text())


def declaration(name, text):
    """The comment above a function in a header and what follows, or None."""
    found = re.search(
        r"((?:^ *//.*\n)+)(?: *virtual)?[\w:<>* ]*[ *>]" + re.escape(name) +
        r"\(", text, re.MULTILINE)
    return found and found.group(1)


class FunctionsTest(unittest.TestCase):

    def test_the_table_has_every_function_once(self):
        names = [row[0] for row in rows()]
        self.assertEqual(sorted(names), sorted(FUNCTIONS))

    def test_each_is_defined_in_its_file_and_nowhere_else(self):
        sources = [*ROOT.glob("server/model/*.cc"),
                   *ROOT.glob("server/core/*.cc")]
        for linux, here, path, _ in rows():
            with self.subTest(linux):
                # A definition or declaration begins its line.
                begins = re.compile(
                    r"^ *(?!return\b)(?:virtual )?[A-Za-z][\w:<>]*[*&]? +"
                    r"[*&]?" + re.escape(here) + r"\(", re.MULTILINE)
                self.assertRegex((ROOT / path).read_text(), begins)
                if not path.endswith(".cc"):
                    continue
                defines = [
                    str(source.relative_to(ROOT)) for source in sources
                    if begins.search(source.read_text())]
                self.assertEqual(defines, [path])

    def test_where_the_name_differs_the_table_says_why(self):
        for line in README.read_text().splitlines():
            found = re.match(r"\| `(\w+)` \| `(\w+)`([^|]*)\|", line)
            if found and found.group(1) != found.group(2):
                with self.subTest(found.group(1)):
                    self.assertRegex(found.group(3), r"\(.{20,}\)")

    def test_each_has_a_comment_in_its_header(self):
        headers = "\n".join(
            header.read_text() for header in
            sorted([*ROOT.glob("server/model/*.h"),
                    ROOT / "server/core/migrate_pages.h"]))
        for linux, here, _, _ in rows():
            with self.subTest(linux):
                comment = declaration(here, headers)
                self.assertIsNotNone(comment)
                self.assertGreater(len(comment), 40)


if __name__ == "__main__":
    unittest.main()
