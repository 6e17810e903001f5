"""`keyfob openapi`: the OpenAPI document, without a server."""

import json

import typer

from keyfob.app import create_app
from keyfob.cli.context import read_settings, refusals
from keyfob.settings import Settings


def openapi() -> None:
    """Write the OpenAPI document.

    Example:

        keyfob openapi > openapi.json
    """
    configured = read_settings()
    with refusals():
        # The description of the API needs neither a database nor a key.
        settings = configured.model_copy(
            update=Settings(
                database_url="postgresql://nobody@localhost/none",
                secret_key="-" * 32,
            ).model_dump(include={"database_url", "secret_key"})
        )
        typer.echo(json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False))
