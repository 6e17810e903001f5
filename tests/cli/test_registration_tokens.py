"""`keyfob registration-tokens`: initial access tokens, made, listed and ended."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4  # noqa: TID251 - an id of nobody

import pytest
from tests.cli.conftest import Run
from tests.fixtures.world import World

from keyfob.settings import Settings

APP = {"redirect_uris": ["https://app.example.com/callback"]}
InWorld = Callable[..., Any]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"dynamic_registration": "token"})


def register(in_world: InWorld, token: str) -> int:
    async def story(world: World) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (await world.api.post("/oauth2/register", json=APP, headers=headers)).status_code

    status: int = in_world(story)
    return status


def test_a_token_is_made_used_listed_and_ended(keyfob: Run, in_world: InWorld) -> None:
    made = keyfob("registration-tokens", "create", "--uses", "2", "--json").json
    assert register(in_world, made["token"]) == 201
    [listed] = keyfob("registration-tokens", "list", "--json").json
    assert (listed["id"], listed["uses_left"]) == (made["id"], 1)

    done = keyfob("registration-tokens", "remove", made["id"])

    assert done.out == f"Removed the token {made['id']}.\n"
    assert keyfob("registration-tokens", "list", "--json").json == []
    assert register(in_world, made["token"]) == 401
    again = keyfob("registration-tokens", "remove", str(uuid4()))
    assert again.refusal == "There is no token with that id"


def test_its_text_is_shown_once_and_both_ends_are_recorded(keyfob: Run, in_world: InWorld) -> None:
    out = keyfob("registration-tokens", "create").out
    [listed] = keyfob("registration-tokens", "list", "--json").json
    keyfob("registration-tokens", "remove", listed["id"])

    async def story(world: World) -> list[str]:
        return [event["action"] for event in await world.audit_log()]

    assert "shown this once: kfi_" in out
    assert "token" not in listed
    assert in_world(story)[-2:] == ["registration_token.created", "registration_token.removed"]
