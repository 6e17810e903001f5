"""The commands, and how a refusal leaves the shell: 0 done, 1 refused, 2 wrong usage."""

import sys
from typing import Annotated

import typer

from keyfob import __version__
from keyfob.cli import doctor, keys, openapi, schema, users
from keyfob.cli.output import Refused
from keyfob.cli.serve import serve
from keyfob.core.problems import Problem

app = typer.Typer(
    name="keyfob",
    help="Self-hosted authentication for teams that run several services.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def keyfob(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Configure by `KEYFOB_*` variables or `.env`; `.env.example` lists them all."""


app.command()(serve)
app.command()(schema.migrate)
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.command()(doctor.doctor)
app.command()(openapi.openapi)


def main() -> None:
    """Run the command of `sys.argv`."""
    try:
        app(prog_name="keyfob")
    except Refused as refusal:
        typer.echo(f"keyfob: {refusal}", err=True)
        sys.exit(1)
    except Problem as problem:
        # What PostgreSQL said is for the operator; it never has a password in it.
        why = " ".join((problem.detail or str(problem.__cause__ or "")).split())
        typer.echo(f"keyfob: {problem.title}" + (f" ({why})" if why else ""), err=True)
        sys.exit(1)
