"""The commands of `keyfob`."""

from typing import Annotated

import typer

from keyfob import __version__
from keyfob.cli import (
    api_keys,
    audit,
    clients,
    doctor,
    keys,
    mail,
    openapi,
    registration_tokens,
    resources,
    roles,
    schema,
    users,
)
from keyfob.cli.serve import serve

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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Configure by `KEYFOB_*` variables or `.env`; `.env.example` lists them all."""


app.command()(serve)
app.command()(schema.migrate)
app.add_typer(users.app, name="users")
app.add_typer(clients.app, name="clients")
app.add_typer(registration_tokens.app, name="registration-tokens")
app.add_typer(resources.app, name="resources")
app.add_typer(api_keys.app, name="api-keys")
app.add_typer(roles.app, name="roles")
app.add_typer(keys.app, name="keys")
app.add_typer(mail.app, name="mail")
app.add_typer(audit.app, name="audit")
app.command()(doctor.doctor)
app.command()(openapi.openapi)
