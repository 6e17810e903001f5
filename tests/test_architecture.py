"""Rules of the architecture that import-linter (pyproject.toml) cannot express."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from keyfob.accounts.errors import UnprovenRole
from keyfob.authority.errors import NotProven, ProofNonceNeeded
from keyfob.core.problems import Problem
from keyfob.settings import Settings
from keyfob.settings.loading import secret_fields, variable_of

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "keyfob"
FILES = sorted(SRC.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MEASURES = sorted(
    path for name in ("bench", "drills", "clients") for path in (ROOT / name).rglob("*.py")
)

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 30
MOST_LINES_OF_A_TEST_FILE = 400

# Each exception with its reason; whoever adds one says it in the review.
LONGER_FILES: dict[str, str] = {}
LONGER_TEST_FILES = {
    "contract.py": "one table, a row a call",
    "sessions/test_state_machine.py": "one machine, whose rules share all of its state",
}
# And each room's `build`: what it is made of stands on one page.
LONGER_FUNCTIONS: dict[str, str] = {}
STATEMENTS_ELSEWHERE = {
    "cli/schema.py": "it leaves lines of a dump out",
}

OWNERS = {
    "users": "accounts",
    "user_activity": "sessions",
    "user_tallies": "accounts",
    "sessions": "sessions",
    "revocations": "sessions",
    "login_events": "login_log",
    "audit_events": "audit",
    "signing_keys": "tokens",
    "id_token_keys": "tokens",
    "attempts": "limits",
    "one_time_tokens": "one_time_tokens",
    "outbox": "outbox",
    "factors": "mfa",
    "recovery_codes": "mfa",
    "webauthn_challenges": "mfa",
    "pending_logins": "login",
    "roles": "authority",
    "user_roles": "authority",
    "clients": "clients",
    "client_secrets": "clients",
    "resources": "clients",
    "registration_tokens": "clients",
    "api_keys": "api_keys",
    "spent_ids": "oauth",
    "spent_proofs": "oauth",
    "authorization_requests": "oauth",
    "authorization_codes": "oauth",
    "device_requests": "oauth",
    "consents": "oauth",
    "logout_requests": "oauth",
    "app_sign_ins": "oauth",
    "tallies": "statistics",
}
WRITTEN_BY_ANOTHER = {
    ("accounts", "user_activity"): "the row is made with the account, in one statement",
}

_STATEMENT = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH \w+|CREATE|ALTER|DROP|TRUNCATE|LOCK|COPY|GRANT"
    r"|NOTIFY|LISTEN|SET (LOCAL|SESSION)|BEGIN|COMMIT|ROLLBACK|VACUUM)\b"
)
_WRITE = re.compile(
    r"\b(?:INSERT INTO|(?<!FOR )(?<!KEY )UPDATE|DELETE FROM|TRUNCATE|MERGE INTO)\s+([a-z_]+)"
)
_EXCUSED = re.compile(r"#\s*(noqa|type: ignore|pragma: no|ruff: noqa|mypy:)")
_EXCUSE_WITH_REASON = re.compile(
    r"#\s*(noqa: [A-Z0-9, ]+ - \S|type: ignore\[[a-z, -]+\] # \S|pragma: no (cover|branch) - \S)"
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(SRC).as_posix()


def module_of(path: Path) -> str:
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions_of(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def texts_of(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield every literal text but docstrings, the parts of f-strings too."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(one.body[0].value)
        for one in ast.walk(node)
        if isinstance(one, documented) and one.body and isinstance(one.body[0], ast.Expr)
    }
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and type(one.value) is str and id(one) not in docstrings:
            yield one


def length_of(function: Function) -> int:
    """Count the lines of a body, less its docstring and the lines of the SQL in it."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    first, last = body[0].lineno, body[-1].end_lineno or body[-1].lineno
    sql = sum(
        (one.end_lineno or one.lineno) - one.lineno
        for one in texts_of(function)
        if one.lineno > first
    )
    return last - first + 1 - sql


def statements_of(path: Path) -> list[str]:
    return [
        str(text.value)
        for text in texts_of(ast.parse(path.read_text()))
        if _STATEMENT.match(str(text.value))
    ]


def holds_sql(path: Path) -> bool:
    return path.stem.endswith("queries") or "migrations" in path.parts


def test_sql_stands_only_in_queries_and_migrations() -> None:
    found = {name_of(path) for path in FILES if not holds_sql(path) and statements_of(path)}

    assert found == set(STATEMENTS_ELSEWHERE)


def test_a_room_writes_only_its_own_tables() -> None:
    writes = {
        (path.relative_to(SRC).parts[0], table)
        for path in FILES
        if path.stem.endswith("queries")
        for text in texts_of(ast.parse(path.read_text()))
        for table in _WRITE.findall(str(text.value))
    }
    foreign = {
        (room, table)
        for room, table in writes
        if OWNERS.get(table.removesuffix("_default")) != room
    }

    assert len(writes) >= len(OWNERS) - 1  # the tallies are kept by a trigger
    assert foreign == set(WRITTEN_BY_ANOTHER)


def test_every_table_has_an_owner() -> None:
    schema = (ROOT / "docs" / "schema.sql").read_text()
    tables = set(re.findall(r"^CREATE (?:UNLOGGED )?TABLE public\.(\w+)", schema, re.MULTILINE))

    # Migrations keep their own; a month of the login log is a part of it.
    assert tables - {"alembic_version", "schema_revisions", "login_events_default"} == set(OWNERS)


def test_files_are_short() -> None:
    longer = {name_of(path) for path in FILES if len(path.read_text().splitlines()) > MOST_LINES}

    assert longer == set(LONGER_FILES)


def test_files_of_tests_are_short() -> None:
    longer = {
        path.relative_to(ROOT / "tests").as_posix()
        for path in TESTS
        if len(path.read_text().splitlines()) > MOST_LINES_OF_A_TEST_FILE
    }

    assert longer == set(LONGER_TEST_FILES)


def test_functions_are_short() -> None:
    longer = {
        f"{name_of(path)}: {function.name}"
        for path in FILES
        for function in functions_of(path)
        if length_of(function) > MOST_LINES_OF_A_FUNCTION
    }

    assert {one for one in longer if not one.endswith("room.py: build")} == set(LONGER_FUNCTIONS)


def test_no_file_is_named_after_what_it_is_not() -> None:
    vague = re.compile(r"(^|_)(utils?|helpers?|managers?|misc)(_|$)|^common$")

    assert [str(path) for path in FILES + TESTS if vague.search(path.stem)] == []
    assert [str(path) for path in SRC.rglob("*") if path.is_dir() and vague.search(path.name)] == []


def test_every_module_says_what_it_is() -> None:
    assert [
        name_of(path) for path in FILES if ast.get_docstring(ast.parse(path.read_text())) is None
    ] == []


def test_no_docstring_opens_with_a_question_word() -> None:
    """A noun or a verb says at once what a thing is or does."""
    question = re.compile(r'^\s*"""(Who|What|Whether|How|That|Where|When)\b', re.MULTILINE)

    assert [name_of(path) for path in FILES if question.search(path.read_text())] == []


def private_names_of(path: Path) -> Iterator[str]:
    """Yield the private names that a file imports, or replaces by their name as a text.

    What it reaches with a dot, ruff finds (SLF001).
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and re.search(
            r"attr(getter)?$|patch", ast.unparse(node.func)
        ):
            names = [str(one.value) for one in node.args if isinstance(one, ast.Constant)]
        else:
            continue
        yield from (name for name in names if re.search(r"(^|\.)_(?!_)", name))


def test_nothing_reaches_for_a_private_name_from_outside() -> None:
    """Tests use what the code offers: a parameter, a property, a public function."""
    reached = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in TESTS + MEASURES
        for name in private_names_of(path)
    }

    assert reached == set()


def test_every_ignore_gives_its_reason() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if _EXCUSED.search(line) and not _EXCUSE_WITH_REASON.search(line)
    ]

    assert silent == []


def test_that_bodies_are_closed_is_said_once() -> None:
    assert [name_of(path) for path in FILES if 'extra="forbid"' in path.read_text()] == [
        "core/bodies.py"
    ]


def test_nothing_is_left_to_do() -> None:
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")

    assert [str(path) for path in FILES + TESTS if words.search(path.read_text())] == []


# Problems


def kinds_of_problem() -> list[type[Problem]]:
    for path in FILES:
        if "migrations" not in path.parts and path.stem != "__main__":
            import_module(module_of(path))
    found, open_ends = [Problem], [Problem]
    while open_ends:
        below = open_ends.pop().__subclasses__()
        found += below
        open_ends += below
    # One may be of two kinds.
    return [kind for kind in dict.fromkeys(found) if kind.__module__.startswith("keyfob.")]


def test_every_problem_has_a_code_of_its_own() -> None:
    """Except those that are told with another status elsewhere."""
    kinds = kinds_of_problem()
    elsewhere = {UnprovenRole, NotProven, ProofNonceNeeded}
    codes = Counter(kind.code for kind in kinds if kind not in elsewhere)

    assert len(kinds) > 20
    assert [code for code, count in codes.items() if count > 1] == []
    assert [code for code in codes if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)] == []
    assert [kind for kind in kinds if not (kind.__doc__ and kind.title and kind.status)] == []


def test_every_problem_is_in_the_docs() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\d+) \| (\S.*\S) \|$",
        (ROOT / "docs" / "problems.md").read_text(),
        re.MULTILINE,
    )

    assert sorted((code, int(status)) for code, status, _ in rows) == sorted(
        (kind.code, kind.status) for kind in kinds_of_problem()
    )


# Settings


def lines_about(variable: str) -> list[int]:
    return [
        number
        for number, line in enumerate((ROOT / ".env.example").read_text().splitlines())
        if re.match(rf"#?{variable}=", line)
    ]


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_in_the_example_with_a_line_about_it(field: str) -> None:
    example = (ROOT / ".env.example").read_text().splitlines()
    places = lines_about(variable_of(field))

    assert len(places) == 1
    assert re.match(r"# [\w`]", example[places[0] - 1])
    assert Settings.model_fields[field].description


def test_the_example_names_no_setting_that_is_none() -> None:
    known = {variable_of(name) for name in Settings.model_fields}
    known |= {f"{variable_of(name)}_FILE" for name in secret_fields()}
    named = set(re.findall(r"KEYFOB_[A-Z0-9_]+", (ROOT / ".env.example").read_text()))

    assert {name for name in named if name not in known} <= {"KEYFOB_"}
