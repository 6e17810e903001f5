"""`docs/abuse.md` names, for each line of the abuse list, the test that holds it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = (*range(1, 62), *range(65, 69))

TRAPS = range(1, 36)

_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/abuse/\w+\.py)::(test_(\d\d)_\w+)`")


def rows() -> dict[int, tuple[str, str]]:
    """Return the table: number -> rule, and the tests of it."""
    found = _ROW.findall((ROOT / "docs" / "abuse.md").read_text(encoding="utf-8"))
    return {int(number): (rule, held_by) for number, rule, held_by in found}


@cache
def functions_of(path: Path) -> set[str]:
    """Return the names of a file's test functions, without importing it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_"
    }


@cache
def numbered_tests() -> dict[int, set[str]]:
    """Return the tests of this folder by the line that they name."""
    found: dict[int, set[str]] = {}
    for path in Path(__file__).parent.glob("test_*.py"):
        for name in functions_of(path):
            if number := re.match(r"test_(\d\d)_", name):
                found.setdefault(int(number[1]), set()).add(name)
    return found


def test_every_line_stands_in_the_table_once() -> None:
    assert list(rows()) == list(LINES)


@pytest.mark.parametrize("number", LINES)
def test_every_line_is_held_by_a_test_of_its_number_or_says_what_it_waits_for(number: int) -> None:
    _, held_by = rows()[number]
    named = _TEST.findall(held_by)

    for path, name, its_number in named:
        assert name in functions_of(ROOT / path)
        assert int(its_number) == number
    if number in numbered_tests():
        assert named, "there is a test: name it"
    else:
        assert held_by.startswith("waits for ")


def test_no_test_claims_a_line_that_there_is_not() -> None:
    assert set(numbered_tests()) <= set(LINES)


def test_every_test_that_is_named_exists_and_every_one_of_the_account_s_life_is_named() -> None:
    page = (ROOT / "docs" / "abuse.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page))

    assert len(named) > len(LINES)
    assert [
        f"{path}::{name}"
        for path, name in sorted(named)
        if not (ROOT / path).exists() or name not in functions_of(ROOT / path)
    ] == []
    of_traps = ROOT.glob("tests/oauth/test_traps_of_*.py")
    assert {name for path in of_traps for name in functions_of(path)} <= {name for _, name in named}
    for file in ("test_account_life.py", "test_apps.py", "test_links_and_requests.py"):
        assert functions_of(Path(__file__).parent / file) <= {name for _, name in named}


def test_every_trap_stands_in_its_table_once_with_a_test_unless_it_cannot_be() -> None:
    page = (ROOT / "docs" / "abuse.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| T(\d+) \| .+? \| (.+?) \|$", page, re.MULTILINE)

    assert [int(number) for number, _ in found] == list(TRAPS)
    without = [int(number) for number, held_by in found if held_by == "no federation"]
    assert without == [21, 22, 23, 24]
    assert not (ROOT / "src" / "keyfob" / "federation").exists(), "then they need tests"
    for number, held_by in found:
        assert int(number) in without or "::test_" in held_by, number
