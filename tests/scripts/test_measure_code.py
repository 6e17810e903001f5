"""The counts of `make measure-code`, on small samples."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from scripts.measure_code import (
    Figure,
    Module,
    code_lines,
    fragments,
    many_parameters,
    measure,
    p90,
    passing_on,
    read_modules,
    records,
)
from scripts.trace_sign_in import trace
from scripts.try_new_room import CENTRAL, CannotTry, build_in

from scripts import try_new_room

IMPORT = "from asyncpg import Record\n"


def module(text: str, name: str = "login/service.py") -> Module:
    return Module(name, dedent(text))


def figures_of(folder: Path) -> dict[str, Figure]:
    return {figure.name: figure for figure in measure(read_modules(folder))}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("def show(row: Record) -> None: ...", ["show"]),
        ("def read() -> list[Record]: ...", ["read"]),
        ('def read() -> "list[Record] | None": ...', ["read"]),
        ("class Kept:\n    row: Record | None", ["Kept"]),
        ("class Kept:\n    def of(self, row: Record, other: Record) -> None: ...", ["of"]),
        ("last: Record", ["module"]),
        ("Row = Record", ["import"]),
        ("", ["import"]),
    ],
)
def test_a_record_is_at_large_where_an_annotation_names_it(text: str, places: list[str]) -> None:
    found = list(records(module(IMPORT + text)))

    assert found == [f"login/service.py: {place}" for place in places]


def test_a_record_by_its_full_or_another_name_is_one() -> None:
    assert [*records(module("import asyncpg\ndef show(row: asyncpg.Record) -> None: ..."))]
    assert [*records(module("from asyncpg import Record as Row\ndef show(row: Row) -> None: ..."))]
    assert not [*records(module("from log import Record\ndef show(row: Record) -> None: ..."))]


def test_queries_keep_records_to_themselves() -> None:
    text = f"""{IMPORT}
def find_user() -> Record | None: ...
def _read(row: Record) -> Record: ...
def count(rows: list[Record]) -> int: ...
"""

    assert list(records(module(text, "login/queries.py"))) == ["login/queries.py: find_user"]
    assert list(records(module(text, "core/database.py"))) == []


def test_a_fragment_is_small_and_serves_one_neighbour() -> None:
    small = module('"""Words."""\n\nWORDS = 1\n', "mail/words.py")
    neighbour = module("from keyfob.mail.words import WORDS", "mail/writing.py")
    by_module = module("from keyfob.mail import words", "mail/writing.py")
    stranger = module("from keyfob.mail import words", "login/service.py")
    large = module("WORD = 1\n" * 26, "mail/words.py")

    assert fragments([small, neighbour]) == ["mail/words.py, for mail/writing.py"]
    assert fragments([small, by_module]) == ["mail/words.py, for mail/writing.py"]
    assert fragments([small, stranger]) == []
    assert fragments([small, neighbour, stranger]) == []
    assert fragments([large, neighbour]) == []
    assert fragments([small]) == []


def test_blank_lines_comments_and_docstrings_are_no_code() -> None:
    text = '''
        """A module.

        With words.
        """

        # Why.
        LIMIT = 1  # a count

        def ask() -> str:
            """Ask."""
            return """a
            b"""
        '''

    assert code_lines(module(text)) == 4


def test_more_than_five_parameters_are_counted_without_self() -> None:
    text = """
        def five(a, b, c, *, d, e): ...
        def six(a, b, /, c, *d, e, **f): ...
        class Kind:
            def five_of_a_kind(self, a, b, c, d, e): ...
        """

    assert list(many_parameters(module(text))) == ["login/service.py:3 six: 6"]


@pytest.mark.parametrize(
    "body",
    [
        "return self._log.write(event)",
        "await self._log.write(event, self._clock, 1, *rest, name=event)",
        "return await other.write(event)",
        '"""Write."""\n        return self.write_all(event)',
    ],
)
def test_a_method_that_only_passes_on_is_counted(body: str) -> None:
    text = f"class Log:\n    async def write(self, event, *rest):\n        {body}\n"

    assert list(passing_on(module(text))) == ["login/service.py:2 write"]


@pytest.mark.parametrize(
    "body",
    [
        "return self._log.write(event.name)",
        "return self._log.write(str(event))",
        "return self._log.write(event) or self",
        "self._log.write(event); self._log.flush()",
        "return queries.list_events(self._db, event)",
        "return Line(event)",
        "return self._known.pop(event)",
        "return len(event)",
        "return self._size",
        "pass",
    ],
)
def test_a_method_that_does_something_is_not(body: str) -> None:
    text = (
        "from keyfob.login import queries\n"
        f"class Log:\n    def write(self, event):\n        {body}\n"
        f"    def __call__(self, event):\n        self.write(event)\n"
    )

    assert list(passing_on(module(text))) == []


def test_reading_the_queries_of_another_room_is_passing_on() -> None:
    text = "from keyfob.accounts import queries\nclass Log:\n    def f(self, x): queries.find(x)\n"

    assert list(passing_on(module(text))) == ["login/service.py:3 f"]


def test_nine_of_ten_do_not_exceed_the_percentile() -> None:
    assert p90(range(1, 11)) == 9
    assert p90(range(1, 12)) == 10
    assert p90([3]) == 3


def test_lines_are_counted_and_held_to_their_bound(tmp_path: Path) -> None:
    (tmp_path / "login").mkdir()
    (tmp_path / "login/service.py").write_text("def ask():\n    return 1\n" + "\n" * 399)
    figures = figures_of(tmp_path)

    assert figures["function lines, p90"].value == 2
    assert figures["file lines, longest"].value == 401
    assert figures["file lines, longest"].is_missed
    assert "MISSED" in str(figures["file lines, longest"])
    assert not figures["function lines, p90"].is_missed
    assert not Figure("one without a line", 1000).is_missed


def test_it_fails_for_a_missed_line_only_where_it_is_asked_to(tmp_path: Path) -> None:
    (tmp_path / "src/keyfob").mkdir(parents=True)
    (tmp_path / "src/keyfob/long.py").write_text("def ask(): ...\n" * 401)

    def run(*arguments: str) -> int:
        script = [sys.executable, Path("scripts/measure_code.py").resolve(), "--quick"]
        return subprocess.run([*script, *arguments], cwd=tmp_path, check=False).returncode

    assert (run(), run("--check")) == (0, 1)


def test_a_trial_room_says_what_is_central(tmp_path: Path) -> None:
    assert build_in(tmp_path) == sorted(CENTRAL)


def test_a_trial_room_that_misses_a_central_file_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(try_new_room.CENTRAL, next(iter(CENTRAL)))

    with pytest.raises(CannotTry, match="does not work"):
        build_in(tmp_path)


@pytest.mark.slow
def test_the_files_of_a_sign_in_are_those_of_its_rooms(tmp_path: Path) -> None:
    files = trace(tmp_path)

    assert {"login/routes.py", "passwords/hashing.py", "tokens/signing.py"} <= files
    assert not {file for file in files if file.startswith(("cli/", "mail/", "outbox/"))}
