"""`keyfob openapi`: the schema, without a server."""

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
        # Neither a database nor a key is needed to describe the API.
        settings = configured.model_copy(
            update=Settings(
                database_url="postgresql://nobody@localhost/none",
                secret_key="-" * 32,
            ).model_dump(include={"database_url", "secret_key"})
        )
        typer.echo(json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False))
