"""`keyfob keys`: the signing keys."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from tests.cli.conftest import Run
from tests.fixtures.factors import add_totp
from tests.fixtures.world import SignedIn, World

from keyfob import boot
from keyfob.core.clock import Clock
from keyfob.settings import Settings

Sql = Callable[..., list[Any]]
InWorld = Callable[..., Any]

OLD = "a secret key of the tests in use until now"
NEW = "a secret key of the tests made a moment ago"


def states(keyfob: Run) -> list[str]:
    return [key["state"] for key in keyfob("keys", "list", "--json").json]


def with_key(settings: Settings, key: str) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr(key)})


def add_authenticators(settings: Settings, *names: str) -> None:
    """Give accounts of these names an authenticator each, its secret sealed with a key."""

    async def add() -> None:
        async with World(settings, Clock()) as world:
            for name in names:
                await world.make_user(f"{name}@example.com")
                await add_totp(world, await world.log_in(f"{name}@example.com"), Clock())

    asyncio.run(add())


async def sign_in(world: World) -> SignedIn:
    await world.make_user()
    return await world.log_in()


def test_the_first_key_signs_at_once(keyfob: Run) -> None:
    assert keyfob("keys", "list").out == "None.\n"

    said = keyfob("keys", "rotate", "--compromised")

    assert said.code == 0
    assert said.out.startswith("Made signing key ")
    assert states(keyfob) == ["active"]


def test_a_next_key_is_published_before_it_signs(keyfob: Run) -> None:
    made = keyfob("keys", "rotate", "--json").json

    assert states(keyfob) == ["active", "next"]
    assert keyfob("keys", "list", "--json").json[-1]["kid"] == made["kid"]


def test_a_next_key_can_be_told_to_sign_sooner(keyfob: Run) -> None:
    keyfob("keys", "rotate", "--publish-ahead", "0")

    assert states(keyfob) == ["retiring", "active"]


def test_the_list_shows_no_private_key(keyfob: Run) -> None:
    keyfob("keys", "rotate", "--compromised")

    (key,) = keyfob("keys", "list", "--json").json
    head, row = keyfob("keys", "list").out.splitlines()

    assert head.split() == list(key)
    assert "private_key" not in key
    assert key["kid"] in row
    assert key["created_at"].endswith("Z")


def test_a_compromised_key_is_refused_at_once_and_sessions_live_on(
    keyfob: Run, in_world: InWorld
) -> None:
    session = in_world(sign_in)

    keyfob("keys", "rotate", "--compromised")

    assert states(keyfob) == ["dropped", "active"]

    async def story(world: World) -> tuple[int, int]:
        stale = await world.me(session)
        fresh = SignedIn.of(await world.refresh(session.refresh))
        return stale.status_code, (await world.me(fresh)).status_code

    assert in_world(story) == (401, 200)


def test_reseal_seals_with_the_first_secret_key(
    keyfob: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_SECRET_KEY", OLD)
    keyfob("keys", "rotate")
    both = f"{NEW},{OLD}"
    monkeypatch.setenv("KEYFOB_SECRET_KEY", both)

    assert keyfob("keys", "rotate", "--reseal").out == "Sealed 2 secrets anew.\n"
    assert keyfob("keys", "rotate", "--reseal", "--json").json == {"resealed": 0, "unopened": []}

    # The signing keys no longer need the old one.
    monkeypatch.setenv("KEYFOB_SECRET_KEY", NEW)
    assert keyfob("keys", "rotate").code == 0
    assert sql("SELECT count(*) FROM signing_keys") == [(3,)]


@pytest.mark.parametrize(
    "command",
    [("keys", "rotate"), ("keys", "rotate", "--reseal"), ("users", "create", "ada@example.com")],
    ids=" ".join,
)
def test_nothing_is_written_with_another_secret_key(
    keyfob: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    keyfob("keys", "rotate")
    before = sql("SELECT kid, private_key FROM signing_keys")
    monkeypatch.setenv("KEYFOB_SECRET_KEY", NEW)

    said = keyfob(*command)

    assert said.refusal.startswith("KEYFOB_SECRET_KEY: should be the key that this database was")
    assert sql("SELECT kid, private_key FROM signing_keys") == before
    assert sql("SELECT count(*) FROM users") == [(0,)]


def test_a_lost_secret_key_is_left_behind(
    keyfob: Run, in_world: InWorld, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_world(sign_in)
    monkeypatch.setenv("KEYFOB_SECRET_KEY", NEW)

    assert keyfob("keys", "rotate", "--compromised").code == 0

    assert states(keyfob) == ["dropped", "active"]
    assert asyncio.run(boot.prepare(with_key(settings, NEW))) is not None


def test_authenticators_that_no_key_opens_are_named_and_others_sealed_anew(
    keyfob: Run, settings: Settings, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_authenticators(settings, "ada", "bob")  # with a key that is lost
    monkeypatch.setenv("KEYFOB_SECRET_KEY", OLD)
    keyfob("keys", "rotate", "--compromised")
    add_authenticators(with_key(settings, OLD), "eve", "zoe")
    sql(
        "UPDATE factors SET secret = secret || '\\x00'::bytea"
        " WHERE user_id = (SELECT id FROM users WHERE email = 'zoe@example.com')"
    )
    monkeypatch.setenv("KEYFOB_SECRET_KEY", f"{NEW},{OLD}")

    said = keyfob("keys", "rotate", "--reseal")

    assert (said.code, said.out) == (
        0,
        "Sealed 2 secrets anew. No key of KEYFOB_SECRET_KEY opens the authenticators of "
        "ada@example.com, bob@example.com, zoe@example.com: put their key back behind the comma, "
        "or reset the factors of these accounts.\n",
    )
    assert keyfob("keys", "rotate", "--reseal", "--json").json == {
        "resealed": 0,
        "unopened": ["ada@example.com", "bob@example.com", "zoe@example.com"],
    }
    for name in ("ada", "bob", "zoe"):
        keyfob("users", "reset-factors", f"{name}@example.com")
    assert keyfob("keys", "rotate", "--reseal").out == "Sealed 0 secrets anew.\n"
