"""The rules of the code of Keyfob (tests/test_architecture.py there) hold for the package, too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

_EXCUSED = re.compile(r"#\s*(noqa|type: ignore|pragma: no)")
_EXCUSED_WITH_REASON = re.compile(
    r"#\s*(noqa: [A-Z0-9, ]+ - \S|type: ignore\[[a-z, -]+\] # \S|pragma: no (cover|branch) - \S)"
)
_QUESTION = re.compile(r'^\s*"""(Who|What|Whether|How|That|Where|When)\b', re.MULTILINE)


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_it_never_imports_keyfob() -> None:
    found = {(path.name, name) for path in SOURCE + TESTS for name in imports_of(path)}

    assert {one for one in found if one[1].partition(".")[0] == "keyfob"} == set()


def test_it_imports_its_two_dependencies_and_extras_where_they_are_named() -> None:
    extras = {"django", "fastapi", "flask", "litestar", "prometheus_client", "starlette"}
    found = {
        (path.stem, top)
        for path in SOURCE
        for name in imports_of(path)
        if (top := name.partition(".")[0]) in extras
    }

    assert {(stem, top) for stem, top in found if top.partition("_")[0] != stem} <= {
        ("fastapi", "starlette")  # which FastAPI stands on
    }


def test_files_and_functions_are_short() -> None:
    long = [path.name for path in SOURCE + TESTS if len(path.read_text().splitlines()) > 400]
    for path in SOURCE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                if body and (body[-1].end_lineno or 0) - body[0].lineno >= 30:
                    long.append(f"{path.name}: {node.name}")

    assert long == []


def test_every_module_says_what_it_is_and_no_docstring_asks() -> None:
    silent = [path.name for path in SOURCE if not ast.get_docstring(ast.parse(path.read_text()))]

    assert silent == []
    assert [path.name for path in SOURCE if _QUESTION.search(path.read_text())] == []


def test_every_ignore_gives_its_reason() -> None:
    lines = [(path.name, line) for path in SOURCE for line in path.read_text().splitlines()]

    assert [
        one for one in lines if _EXCUSED.search(one[1]) and not _EXCUSED_WITH_REASON.search(one[1])
    ] == []
