"""Check docs/asvs.md: every requirement once, each status with what it needs, all evidence exists.

`--write` updates its counts.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PAGE = Path("docs/asvs.md")

# The requirements of ASVS 5.0.0 that concern such a service: sections, and their numbers.
REQUIREMENTS = """
1.1 1-2; 1.2 1-5 9-10; 1.3 2-3 6-7 10-12; 1.4 2; 1.5 2-3; 2.1 1-3; 2.2 1-3; 2.3 1-5; 2.4 1-2;
3.1 1; 3.2 1-2; 3.3 1-5; 3.4 1-8; 3.5 1-4 6-8; 3.6 1; 3.7 1-3; 4.1 1-5; 4.2 1-5; 6.1 1-3;
6.2 1-12; 6.3 1-8; 6.4 1-6; 6.5 1-8; 6.6 1-4; 6.7 1-2; 6.8 1-4; 7.1 1-3; 7.2 1-4; 7.3 1-2;
7.4 1-5; 7.5 1-3; 7.6 1-2; 8.1 1-4; 8.2 1-4; 8.3 1-3; 8.4 1-2; 9.1 1-3; 9.2 1-4; 10.1 1-2;
10.2 1-3; 10.3 1-5; 10.4 1-16; 10.5 1-5; 10.6 1-2; 10.7 1-3; 11.1 1-4; 11.2 1-5; 11.3 1-5;
11.4 1-4; 11.5 1-2; 11.6 1-2; 11.7 2; 12.1 1-3; 12.2 1; 12.3 1-5; 13.1 1-4; 13.2 1-6; 13.3 1-4;
13.4 1-7; 14.1 1-2; 14.2 1-7; 14.3 1-3; 15.1 1-5; 15.2 1-5; 15.3 1-5 7; 15.4 1-4; 16.1 1;
16.2 1-5; 16.3 1-4; 16.4 1-3; 16.5 1-4
"""

STATUSES = ("met", "not met", "waits for", "deployment", "does not apply")
EXPLAINED = {"not met": ": ", "waits for": " ", "does not apply": " because "}
LEVELS = ("1", "2", "3")

_COUNTS = re.compile(r"(?<=<!-- counts -->\n).*?(?=<!-- /counts -->)", re.DOTALL)
_ROW = re.compile(r"\| (\d+\.\d+\.\d+) \|(.*)\|")


class Row(NamedTuple):
    """A line of a table."""

    id: str
    level: str
    requirement: str
    status: str
    evidence: str

    @property
    def kind(self) -> str:
        """The first words of the status; empty if it is unknown."""
        return next((name for name in STATUSES if self.status.startswith(name)), "")


def main() -> int:
    """Print the problems; return 1 if there are any."""
    page = PAGE.read_text(encoding="utf-8")
    rows = read_rows(page)
    counted = _COUNTS.sub(lambda _: counts(rows), page)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(counted, encoding="utf-8")
        page = counted
    found = [*faults(rows)]
    if counted != page:
        found.append("the counts are not those of the tables; run scripts/check_asvs.py --write")
    for fault in found:
        print(f"{PAGE}: {fault}")
    return 1 if found else 0


def read_rows(page: str) -> list[Row]:
    """Return the requirements of a page.

    Raises:
        ValueError: a line does not have five cells.
    """
    rows = []
    for line in _ROW.finditer(page):
        cells = [line[1], *(cell.strip() for cell in line[2].split("|"))]
        if len(cells) != len(Row._fields):
            raise ValueError(f"{line[1]} should have {len(Row._fields)} cells")
        rows.append(Row(*cells))
    return rows


def faults(rows: list[Row]) -> Iterator[str]:
    """Yield the problems of the rows."""
    times = Counter(row.id for row in rows)
    wanted = {*required()}
    yield from (f"{number} is missing" for number in sorted(wanted - times.keys()))
    yield from (f"{number} is not in the list" for number in sorted(times.keys() - wanted))
    yield from (f"{number} stands there {n} times" for number, n in times.items() if n > 1)
    for row in rows:
        yield from (f"{row.id}: {fault}" for fault in _faults_of(row))


def required() -> Iterator[str]:
    """Yield the ids of the list."""
    for section, *numbers in map(str.split, REQUIREMENTS.split(";")):
        for part in numbers:
            first, _, last = part.partition("-")
            yield from (f"{section}.{n}" for n in range(int(first), int(last or first) + 1))


def _faults_of(row: Row) -> Iterator[str]:
    named = re.findall(r"`([^`]+)`", row.evidence)
    if row.level not in LEVELS:
        yield f"{row.level!r} is no level"
    if not row.kind:
        yield f"{row.status!r} is no status"
        return
    said = row.status.removeprefix(row.kind)
    introduction = EXPLAINED.get(row.kind)
    if introduction is None and said:
        yield f"what follows {row.kind!r} belongs into the evidence"
    if introduction is not None and not said.removeprefix(introduction).strip():
        yield f"{row.kind!r} should say why"
    if row.kind in {"met", "deployment"} and not named:
        yield f"{row.kind!r} needs evidence"
    yield from (f"there is no {name}" for name in named if not exists(name))


def exists(name: str) -> bool:
    """Tell whether a test (`file::name`), a section (`file#heading`) or a file exists."""
    file, separator, part = name.partition("::" if "::" in name else "#")
    path = Path(file)
    if not separator:
        return path.exists()
    return path.is_file() and part in (_tests_of(path) if separator == "::" else _headings_of(path))


@cache
def _tests_of(path: Path) -> set[str]:
    module = ast.parse(path.read_text(encoding="utf-8")).body
    classes = [node for node in module if isinstance(node, ast.ClassDef)]
    return {*_test_names(module)} | {
        f"{each.name}::{test}" for each in classes for test in _test_names(each.body)
    }


def _test_names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            yield node.name


@cache
def _headings_of(path: Path) -> set[str]:
    """Return the headings of a page as links spell them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text).strip().lower().replace(" ", "-") for text in headings}


def counts(rows: list[Row]) -> str:
    """Return the table of the number of requirements with each status."""
    lines = [
        f"| | {' | '.join(f'level {level}' for level in LEVELS)} | all |",
        "|---|" + "---|" * (len(LEVELS) + 1),
    ]
    for kind in (*STATUSES, None):
        those = [row for row in rows if kind in {None, row.kind}]
        numbers = [sum(row.level == level for row in those) for level in LEVELS]
        cells = " | ".join(map(str, [*numbers, len(those)]))
        lines.append(f"| {kind or 'together'} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
