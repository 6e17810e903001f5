"""Output of commands: tables for people, JSON for pipes, one line for a refusal."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for a pipe.")]


def show_rows(rows: Sequence[dict[str, Any]], *, as_json: bool, none: str = "None.") -> None:
    """Write rows as a table, or as a JSON array; for no rows, people read `none`."""
    if as_json:
        typer.echo(_json(rows))
        return
    if not rows:
        typer.echo(none)
        return
    table = Table(*rows[0], box=None, header_style="bold", pad_edge=False)
    for row in rows:
        # As Text: Rich would interpret [markup] in a string, and users choose their own names.
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    Console(width=None if _is_wide() else 200).print(table)


def show_one(row: dict[str, Any], *, as_json: bool, sentence: str) -> None:
    """Write the result, as a sentence or as a JSON object."""
    typer.echo(_json(row) if as_json else sentence)


def _json(value: object) -> str:
    return json.dumps(value, default=_plain, indent=2)


def _plain(value: object) -> str:
    if isinstance(value, datetime):  # in UTC, as PostgreSQL's come
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    return str(value)


def _is_wide() -> bool:
    return sys.stdout.isatty()
