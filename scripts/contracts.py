"""The contract of the rooms, for import-linter: one rule for all, read from `wiring.ROOMS`.

A room imports only rooms before it in that list, and modules below all rooms; another room's SQL
and routes are private. A room that is not in the list is an error.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output

_BELOW = (("core", "settings"), ("devdb", "migrations"), ("serving",))
_ABOVE = (("openapi",), ("worker",), ("wiring",), ("app",), ("boot",), ("cli",))
# `alembic`, run by hand, finds the database as serve does.
_EXCUSED = {("keyfob.migrations.env", "keyfob.boot")}
_PRIVATE = ("queries", "routes")
# Modules that use SQL which belongs to no room.
_MAY_ASK_CORE = {"boot", "health"}


class RoomsContract(Contract):
    """Names each import that goes up, or to another room's private modules."""

    type_name = "rooms"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Check every import within the package."""
        broken = sorted(_broken(graph, ranks(Path("src/keyfob"))))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each forbidden import."""
        for line in check.metadata["broken"]:
            output.print_error(line)


def ranks(package: Path) -> dict[str, int]:
    """Return the rank of each room and of the modules above and below; the lowest is 0."""
    rows: list[tuple[str, ...]] = [*_BELOW, *((room,) for room in rooms(package)), *_ABOVE]
    return {name: rank for rank, row in enumerate(rows) for name in row}


def rooms(package: Path) -> list[str]:
    """Return the names of the rooms in order, without importing them."""
    for node in ast.parse((package / "wiring.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROOMS":
            found: list[str] = ast.literal_eval(node.value)
            return list(found)
    raise LookupError("wiring.py has no ROOMS")


def _broken(graph: ImportGraph, places: dict[str, int]) -> Iterator[str]:
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            if imported.startswith("keyfob.") and importer.startswith("keyfob."):
                yield from judge(importer, imported, places)


def judge(importer: str, imported: str, places: dict[str, int]) -> Iterator[str]:
    """Yield what is wrong with an import of one module by another."""
    ours, theirs = importer.split(".")[1], imported.split(".")[1]
    if ours == theirs or (importer, f"keyfob.{theirs}") in _EXCUSED:
        return
    for name in (ours, theirs):
        if name not in places:
            yield f"{name} is not in wiring.ROOMS"
            return
    if places[theirs] >= places[ours]:
        yield f"{importer} imports {imported}, which stands no lower"
    last = imported.rpartition(".")[2]
    if last.endswith(_PRIVATE) and not (theirs == "core" and ours in _MAY_ASK_CORE):
        yield f"{importer} imports {imported}, which is that room's own"
