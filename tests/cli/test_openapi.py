"""`keyfob openapi`: the schema, without a server."""

import json

import pytest
from tests.cli.conftest import Run
from tests.fixtures.world import World


async def test_it_writes_what_the_service_serves(world: World) -> None:
    served = (await world.api.get("/openapi.json")).json()

    assert served["openapi"].startswith("3.1")
    assert json.loads(json.dumps(world.app.openapi())) == served


def test_it_needs_neither_a_database_nor_a_key(
    keyfob_alone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_ROOT_PATH", "/login")

    said = keyfob_alone("openapi")

    assert said.err == ""
    assert said.json["servers"] == [{"url": "/login"}]
    assert {"/login", "/refresh", "/me", "/admin/users/{id}"} <= set(said.json["paths"])


def test_it_is_written_where_the_service_would_not_serve_it(
    keyfob_alone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_OPENAPI", "off")

    assert "/login" in keyfob_alone("openapi").json["paths"]
