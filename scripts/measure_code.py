"""Measure the structure of the code in src/keyfob, and compare it with limits.

A queries file is one whose name ends in `queries.py`, or that lies in a folder of such a name. A
function is every `def`, nested ones and methods too. The 90th percentile (p90) of some values is
the smallest that at least 90 % of them do not exceed. The measures:

records: the places where `asyncpg.Record` is used outside queries. These are each function, class
    or module outside core, migrations and queries files with an annotation of its own that names
    it, each such module that imports it and annotates nothing with it, and each public function of
    a queries file outside core that returns it.
function lines: from `def` to the last line, docstring and SQL included, decorators not.
file lines: every line of a `.py` file.
fragments: files with at most 25 lines of code (no blank line, comment or docstring) that exactly
    one file imports, where that lies in the same folder. `__init__` and `__main__` are none.
parameters: the share of functions with more than five. `self` and `cls` do not count, `*args` and
    `**kwargs` count one each.
passing on: the share of methods that contain, beside a docstring, only one call of another
    function or method, each argument of which is a parameter, a constant or an attribute of `self`.
    Left out are one-line reads of the own room's queries, constructors, Python's built-ins and
    methods of its containers, and names with two underscores at both ends.
files of a sign-in: see `scripts/trace_sign_in.py`.
central files of a new room: see `scripts/try_new_room.py`.
"""

import argparse
import ast
import builtins
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

SRC = Path("src/keyfob")

LONGEST_FRAGMENT = 25
MOST_PARAMETERS = 5

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPE = (*_FUNCTION, ast.ClassDef, ast.Module)
_WORD = re.compile(r"[\w.]+")
_BUILT_IN = {
    *dir(builtins),
    *(name for kind in (bytes, dict, list, set, str, tuple) for name in dir(kind)),
}


@dataclass(frozen=True)
class Figure:
    """One measured value, its limit, and the places that were counted.

    `shown`: whether the places are always listed, and not only if the limit is exceeded.
    """

    name: str
    value: float
    most: float | None = None
    unit: str = ""
    places: Sequence[str] = ()
    shown: bool = False

    @property
    def is_missed(self) -> bool:
        """Tell whether the value is over its limit."""
        return self.most is not None and self.value > self.most

    def __str__(self) -> str:
        line = "" if self.most is None else f"at most {self.most:g}{self.unit}"
        said = f"{self.name:<38}{f'{self.value:.4g}{self.unit}':>8}  {line:<14}"
        return f"{said}{'  MISSED' if self.is_missed else ''}".rstrip()


@dataclass(frozen=True)
class Module:
    """A file of Python, named from the folder that is measured."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text)

    @property
    def folder(self) -> str:
        """The folder's name; empty for the one that is measured."""
        return self.name.rpartition("/")[0]

    @property
    def room(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]

    @property
    def dotted(self) -> str:
        """The name as imports write it."""
        return f"{SRC.name}.{self.name.removesuffix('.py').replace('/', '.')}"

    @property
    def holds_queries(self) -> bool:
        """Tell whether this file may contain SQL."""
        return any(p.endswith("queries") for p in self.name.removesuffix(".py").split("/"))

    @cached_property
    def functions(self) -> list[Function]:
        """Every function, nested ones and methods too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, _FUNCTION)]

    @cached_property
    def methods(self) -> list[Function]:
        """The functions that stand directly in classes."""
        classes = (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))
        return [one for kind in classes for one in kind.body if isinstance(one, _FUNCTION)]

    @cached_property
    def imported(self) -> dict[str, str]:
        """The dotted name that each imported name of this file stands for."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {name.asname or name.name: name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {n.asname or n.name: f"{node.module}.{n.name}" for n in node.names}
        return found

    def name_of(self, node: ast.AST) -> str:
        """Return what a name or a chain of attributes stands for; empty for anything else."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and (owner := self.name_of(node.value)):
            return f"{owner}.{node.attr}"
        return ""


def main() -> int:
    """Print every figure; return 1 if `--check` was given and a limit is exceeded."""
    parser = argparse.ArgumentParser(description="Measure the structure of the code in src/keyfob.")
    parser.add_argument(
        "--check",
        action="store_true",
        help="fail where a line is missed; no part of `make check` until all lines hold",
    )
    parser.add_argument("--quick", action="store_true", help="leave out what runs the service")
    parser.add_argument("--places", action="store_true", help="list all that was counted")
    options = parser.parse_args()
    figures = measure(read_modules(SRC))
    if not options.quick:
        figures += [
            count_lines_of("scripts/trace_sign_in.py", "files of a sign-in", most=36),
            count_lines_of("scripts/try_new_room.py", "central files of a new room", most=2),
        ]
    for figure in figures:
        print(figure)
        if figure.shown or figure.is_missed or options.places:
            print("".join(f"    {place}\n" for place in figure.places), end="")
    return int(options.check and any(figure.is_missed for figure in figures))


def read_modules(folder: Path) -> list[Module]:
    """Return every module below a folder, sorted by name."""
    return [
        Module(path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
    ]


def measure(modules: Sequence[Module]) -> list[Figure]:
    """Return the measures that need no run of the code."""
    functions = Counter(
        {
            f"{module.name}:{one.lineno} {one.name}": (one.end_lineno or 0) - one.lineno + 1
            for module in modules
            for one in module.functions
        }
    )
    files = Counter({module.name: len(module.text.splitlines()) for module in modules})
    methods = sum(len(module.methods) for module in modules)
    crowded = [place for module in modules for place in many_parameters(module)]
    relays = [place for module in modules for place in passing_on(module)]
    at_large = [place for module in modules for place in records(module)]
    small = fragments(modules)
    return [
        Figure("records outside queries and core", len(at_large), 0, places=at_large),
        Figure("function lines, median", statistics.median(functions.values())),
        Figure("function lines, p90", p90(functions.values()), 21, places=longest(functions)),
        Figure("file lines, p90", p90(files.values())),
        Figure("file lines, longest", max(files.values()), 400, places=longest(files)),
        Figure("fragments", len(small), places=small, shown=True),
        Figure("over five parameters", share(crowded, len(functions)), 2.5, "%", crowded),
        Figure("methods that only pass on", share(relays, methods), 3, "%", relays),
    ]


def p90(values: Iterable[int]) -> int:
    """Return the smallest value that at least 90 % of the values do not exceed."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * 9 // 10) - 1]


def share(some: Sequence[str], of: int) -> float:
    """Return a percentage; 0 of nothing."""
    return 100 * len(some) / of if of else 0


def longest(lengths: Counter[str]) -> list[str]:
    """Return the ten longest with their lines."""
    return [f"{name}: {lines}" for name, lines in lengths.most_common(10)]


# Records


def records(module: Module) -> Iterator[str]:
    """Yield the places where `asyncpg.Record` is used outside queries."""
    if module.room in {"core", "migrations"}:
        return
    places = [place for place, names in _annotations(module) if "asyncpg.Record" in names]
    if module.holds_queries:
        places = [
            f"{module.name}: {one.name}"
            for one in module.functions
            if one.returns and not one.name.startswith("_")
            if "asyncpg.Record" in _names_in(module, one.returns)
        ]
    elif not places and "asyncpg.Record" in module.imported.values():
        places = [f"{module.name}: import"]
    yield from dict.fromkeys(places)


def _annotations(module: Module) -> Iterator[tuple[str, set[str]]]:
    """Yield each annotation's place, which is the scope around it, and the names in it."""
    open_ends: list[tuple[ast.AST, str]] = [(module.tree, "module")]
    while open_ends:
        node, scope = open_ends.pop()
        if isinstance(node, (*_FUNCTION, ast.ClassDef)):
            scope = node.name
        for kind in ("annotation", "returns"):
            if isinstance(annotation := getattr(node, kind, None), ast.expr):
                yield f"{module.name}: {scope}", _names_in(module, annotation)
        open_ends += [(child, scope) for child in ast.iter_child_nodes(node)]


def _names_in(module: Module, annotation: ast.expr) -> set[str]:
    """Return the dotted names in an annotation, also those in quotation marks."""
    names = set()
    for node in ast.walk(annotation):
        names.add(module.name_of(node))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= {module.imported.get(word) or word for word in _WORD.findall(node.value)}
    return names


# Fragments


def fragments(modules: Sequence[Module]) -> list[str]:
    """Return the small files that exactly one file imports, from the same folder."""
    importers = defaultdict(set)
    for module in modules:
        for name in module.imported.values():
            for known in (name, name.rpartition(".")[0]):
                importers[known].add(module)
    return [
        f"{module.name}, for {next(iter(users)).name}"
        for module in modules
        if not Path(module.name).stem.startswith("__") and code_lines(module) <= LONGEST_FRAGMENT
        if len(users := importers[module.dotted]) == 1
        if next(iter(users)).folder == module.folder
    ]


def code_lines(module: Module) -> int:
    """Count the lines that hold code: no blank one, no comment, no docstring."""
    documented = {
        number
        for node in ast.walk(module.tree)
        if isinstance(node, _SCOPE) and ast.get_docstring(node) is not None
        for number in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in documented
        for number, line in enumerate(module.text.splitlines(), 1)
    )


# Parameters and relays


def many_parameters(module: Module) -> Iterator[str]:
    """Yield the functions with more than five parameters."""
    for one in module.functions:
        if (count := len(_parameters(one) - {"self", "cls"})) > MOST_PARAMETERS:
            yield f"{module.name}:{one.lineno} {one.name}: {count}"


def _parameters(function: Function) -> set[str]:
    return {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}


def passing_on(module: Module) -> Iterator[str]:
    """Yield the methods that only pass their arguments on, in one call."""
    for one in module.methods:
        body = one.body[1:] if ast.get_docstring(one) is not None else one.body
        if len(body) == 1 and not one.name.startswith("__"):
            call = getattr(body[0], "value", None)
            call = call.value if isinstance(call, ast.Await) else call
            if isinstance(call, ast.Call) and _is_relay(module, call, _parameters(one)):
                yield f"{module.name}:{one.lineno} {one.name}"


def _is_relay(module: Module, call: ast.Call, parameters: set[str]) -> bool:
    callee = module.name_of(call.func)
    last = callee.rpartition(".")[2]
    own = f"{SRC.name}.{module.room}."
    reads_own = callee.startswith(own) and callee.rpartition(".")[0].endswith("queries")
    makes = last.lstrip("_")[:1].isupper() or last == "cls"
    built_in = last in _BUILT_IN and not callee.startswith(f"{SRC.name}.")
    if not callee or built_in or reads_own or makes:
        return False
    arguments = [*call.args, *(word.value for word in call.keywords)]
    return all(_is_given(argument, parameters) for argument in arguments)


def _is_given(argument: ast.expr, parameters: set[str]) -> bool:
    while isinstance(argument, ast.Starred):
        argument = argument.value
    while isinstance(argument, ast.Attribute):
        argument = argument.value
        parameters = {"self"}
    return isinstance(argument, ast.Constant) or (
        isinstance(argument, ast.Name) and argument.id in parameters
    )


# What runs the service


def count_lines_of(script: str, name: str, most: int) -> Figure:
    """Run a script that prints a line for each thing that it counts."""
    said = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=True)
    lines = said.stdout.splitlines()
    return Figure(name, len(lines), most, places=lines, shown=True)


if __name__ == "__main__":
    sys.exit(main())
