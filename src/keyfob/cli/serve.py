"""`keyfob serve`, as the help shows it."""

from typing import Annotated

import typer

from keyfob.cli.starting import start_service


def serve(
    host: Annotated[str | None, typer.Option(help="Addresses to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Worker processes.")] = None,
) -> None:
    """Serve until SIGTERM, Ctrl+C or the end of the terminal.

    It starts the embedded PostgreSQL if no database is configured, migrates the schema to head and
    creates the first administrator.

    Examples:

        keyfob serve

        KEYFOB_DATABASE_URL=postgresql://keyfob@db/keyfob keyfob serve --host 0.0.0.0 --workers 4
    """
    raise typer.Exit(start_service(host=host, port=port, workers=workers))
