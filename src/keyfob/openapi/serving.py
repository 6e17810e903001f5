"""The document as the app serves it."""

import json
from typing import Any

from fastapi import FastAPI

from keyfob.core.http.kept import Kept
from keyfob.openapi.document import build_schema
from keyfob.settings import Settings


def describe_api(app: FastAPI, settings: Settings) -> None:
    """Make the app serve our schema, built once, in a thread, since it takes a while."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_schema(app, settings)
        return app.openapi_schema

    def in_bytes() -> bytes:
        return json.dumps(schema(), ensure_ascii=False, separators=(",", ":")).encode()

    app.openapi = schema  # type: ignore[method-assign] # FastAPI's documented way
    if settings.openapi:
        kept = Kept(in_bytes, "application/json", "no-cache")
        app.add_api_route("/openapi.json", kept.answer, include_in_schema=False)
