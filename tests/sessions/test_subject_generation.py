"""All sessions of a user end, or learn of a new role, by one revocation: of the subject."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.fixtures.hostile import claims_of, forge, header_of
from tests.fixtures.links import OTHER
from tests.fixtures.revoked import assert_refused_within_a_second
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.core import batches
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring

Act = Callable[[World, UUID, SignedIn, SignedIn], Awaitable[Any]]


@pytest.fixture(params=["notify", "poll"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """The settings with each kind of feed: notices, and polling."""
    return settings.model_copy(update={"feed": request.param})


async def entries(world: World) -> list[tuple[str, UUID, int]]:
    """Return the revocations: kind, id and generation."""
    rows = await world.db.fetch("SELECT kind, id, generation FROM revocations ORDER BY kind DESC")
    return [(row["kind"], row["id"], row["generation"]) for row in rows]


async def sign_out(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    (await world.api.delete("/logout-all", headers=ada.headers)).raise_for_status()


async def be_signed_out(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    path = f"/admin/users/{user_id}/logout-all"
    (await world.api.delete(path, headers=admin.headers)).raise_for_status()


async def be_blocked(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    path, body = f"/admin/users/{user_id}", {"status": "blocked"}
    (await world.api.patch(path, json=body, headers=admin.headers)).raise_for_status()


async def be_removed(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    (await world.api.delete(f"/admin/users/{user_id}", headers=admin.headers)).raise_for_status()


@pytest.mark.parametrize("act", [sign_out, be_signed_out, be_blocked, be_removed])
async def test_ending_all_of_a_user_s_sessions_is_one_entry(
    world: World, other: World, act: Act
) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    devices = [await world.log_in() for _ in range(10)]

    await act(world, user_id, devices[0], admin)

    assert await world.db.fetchval("SELECT count(*) FROM revocations") == 1
    assert await entries(world) == [("subject", user_id, 0)]
    for signed_in in devices:
        assert (await world.me(signed_in)).status_code == 401, "here it is known at once"
        await assert_refused_within_a_second(other, signed_in)
        assert (await other.refresh(signed_in.refresh)).status_code == 401
    assert (await other.me(admin)).status_code == 200


async def test_a_new_role_is_one_entry_and_signs_nobody_out(world: World, other: World) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    devices = [await world.log_in() for _ in range(10)]
    devices[0] = SignedIn.of(await world.refresh(devices[0].refresh))
    path, body = f"/admin/users/{user_id}", {"role": "moderator"}

    (await world.api.patch(path, json=body, headers=admin.headers)).raise_for_status()

    assert await world.db.fetchval("SELECT count(*) FROM revocations") == 1
    assert await entries(world) == [("subject", user_id, 0)]
    for signed_in in devices:
        await assert_refused_within_a_second(other, signed_in)
        again = SignedIn.of(await other.refresh(signed_in.refresh))
        claims = claims_of(again.access)
        assert (claims["role"], claims["sub_gen"]) == ("moderator", 1)
        assert (await other.me(again)).status_code == 200


async def test_whoever_signs_in_afterwards_is_of_the_next_generation(
    world: World, other: World
) -> None:
    await world.make_user()
    first = await world.log_in()
    await world.api.delete("/logout-all", headers=first.headers)

    second = await world.log_in()
    third = SignedIn.of(await other.refresh(second.refresh))

    generations = [claims_of(held.access)["sub_gen"] for held in (first, second, third)]
    assert generations == [0, 1, 1]
    for worker in (world, other):
        assert (await worker.me(second)).status_code == 200
        assert (await worker.me(third)).status_code == 200


async def test_a_new_password_keeps_one_session_and_kills_every_older_token(
    world: World, other: World
) -> None:
    user_id = await world.make_user()
    here, *others = [await world.log_in() for _ in range(10)]
    body = {"current_password": PASSWORD, "password": OTHER}

    kept = SignedIn.of(await world.api.post("/me/password", json=body, headers=here.headers))

    assert await world.db.fetchval("SELECT count(*) FROM revocations") == 2
    assert await entries(world) == [
        ("subject", user_id, 0),
        ("session", UUID(here.session_id), 0),
    ]
    assert (kept.session_id, claims_of(kept.access)["sub_gen"]) == (here.session_id, 1)
    for signed_in in (here, *others):
        await assert_refused_within_a_second(other, signed_in)
        assert (await other.refresh(signed_in.refresh)).status_code == 401
    assert (await other.me(kept)).status_code == 200
    again = SignedIn.of(await other.refresh(kept.refresh))
    assert (await world.me(again)).status_code == 200


async def test_a_token_from_before_the_upgrade_is_of_generation_0(
    world: World, other: World
) -> None:
    await world.make_user()
    old = without_generation(world, await world.log_in())

    before = [(await worker.me(old)).status_code for worker in (world, other)]
    (await world.api.delete("/logout-all", headers=old.headers)).raise_for_status()

    assert before == [200, 200]
    for worker in (world, other):
        await assert_refused_within_a_second(worker, old)


def without_generation(world: World, ada: SignedIn) -> SignedIn:
    """Sign the claims that the previous release would have signed for this session."""
    claims = claims_of(ada.access)
    del claims["sub_gen"]
    key = world.service(Keyring).active().private_key
    assert isinstance(key, Ed25519PrivateKey)
    return SignedIn(forge(header_of(ada.access), claims, key.sign), ada.refresh, ada.session_id)


async def test_a_great_many_end_in_batches_and_are_one_entry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "AT_ONCE", 2)
    user_id = await world.make_user()
    admin = await world.make_admin()
    devices = [await world.log_in() for _ in range(5)]
    path, body = f"/admin/users/{user_id}", {"role": "moderator"}

    with recorded_statements() as of_role:
        (await world.api.patch(path, json=body, headers=admin.headers)).raise_for_status()
    devices[0] = SignedIn.of(await world.refresh(devices[0].refresh))
    with recorded_statements() as of_ending:
        (await world.api.delete("/logout-all", headers=devices[0].headers)).raise_for_status()

    for seen in (of_role, of_ending):
        assert sum("UPDATE sessions" in statement for statement in seen) == 3
    assert await entries(world) == [("subject", user_id, 1)]
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 1
    (row,) = [row for row in await world.login_log() if row["outcome"] == "ended"]
    assert (row["reason"], row["session_id"]) == ("logout_everywhere", None)
