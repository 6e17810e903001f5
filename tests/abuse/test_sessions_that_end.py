"""Lines 18 to 24, 49 and 50 of the abuse list: refreshing, and ends that every worker knows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.abuse.refused_tokens import assert_refused
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import (
    Sign,
    claims_of,
    forge,
    header_of,
)
from tests.fixtures.revoked import assert_refused_within_a_second, reuses_of
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World, eventually

from keyfob.own_account.erasure import OwnErasure
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring

GRACE = 10


@pytest.fixture
async def other(settings: Settings, clock: MovableClock, world: World) -> AsyncIterator[World]:
    """A second worker beside `world`."""
    async with World(settings, clock) as other:
        yield other


async def test_18_an_old_refresh_token_ends_the_session_and_is_recorded(
    world: World, other: World, ada: SignedIn, clock: MovableClock
) -> None:
    newer = SignedIn.of(await world.refresh(ada.refresh))
    newest = SignedIn.of(await world.refresh(newer.refresh))
    clock.advance(GRACE)

    assert (await world.refresh(newer.refresh)).status_code == 401

    for signed_in in (ada, newer, newest):
        await assert_refused(world, signed_in.access)
        await assert_refused_within_a_second(other, signed_in)
        assert (await other.refresh(signed_in.refresh)).status_code == 401
    (event,) = await reuses_of(world)
    assert event["new_values"] == {"session_id": ada.session_id}
    assert str(event["target_id"]) == claims_of(ada.access)["sub"]
    assert await world.db.fetchval("SELECT end_reason FROM sessions") == "reuse"


async def test_19_fifty_parallel_refreshes_give_one_successor_to_all(
    world: World, other: World, ada: SignedIn
) -> None:
    answers = await asyncio.gather(
        *((world, other)[number % 2].refresh(ada.refresh) for number in range(50))
    )

    given = [SignedIn.of(answer) for answer in answers]
    assert len({signed_in.refresh for signed_in in given}) == 1
    assert await world.db.fetchval("SELECT generation FROM sessions") == 1
    assert (await world.refresh(given[0].refresh)).status_code == 200


async def test_20_the_same_successor_after_a_restart_and_within_the_same_second(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as before:
        await before.make_user()
        ada = await before.log_in()
        given = [SignedIn.of(await before.refresh(ada.refresh)) for _ in range(3)]
    async with World(settings, clock) as after:
        answers = await asyncio.gather(*(after.refresh(ada.refresh) for _ in range(20)))
        given += [SignedIn.of(answer) for answer in answers]

        assert len({signed_in.refresh for signed_in in given}) == 1
        for signed_in in given[::6]:
            assert (await after.me(signed_in)).status_code == 200
        following = SignedIn.of(await after.refresh(given[0].refresh))
        assert following.refresh != given[0].refresh
        assert claims_of(following.access)["gen"] == 2


async def end_by_logout(world: World, ada: SignedIn, admin: SignedIn, user: str) -> None:
    await world.api.delete("/logout", headers=ada.headers)


async def end_by_logout_everywhere(world: World, ada: SignedIn, admin: SignedIn, user: str) -> None:
    await world.api.delete("/logout-all", headers=ada.headers)


async def end_by_block(world: World, ada: SignedIn, admin: SignedIn, user: str) -> None:
    await world.api.patch(user, json={"status": "blocked"}, headers=admin.headers)


async def end_by_delete(world: World, ada: SignedIn, admin: SignedIn, user: str) -> None:
    await world.api.delete(user, headers=admin.headers)


async def end_by_role_change(world: World, ada: SignedIn, admin: SignedIn, user: str) -> None:
    await world.api.patch(user, json={"role": "moderator"}, headers=admin.headers)


async def end_by_password_change(world: World, ada: SignedIn, admin: SignedIn, user: str) -> None:
    body = {"current_password": PASSWORD, "password": "quite another phrase"}
    (await world.api.post("/me/password", json=body, headers=ada.headers)).raise_for_status()


async def end_by_erasure(world: World, ada: SignedIn, admin: SignedIn, user: str) -> None:
    await world.api.delete("/me", headers=ada.headers)
    await world.db.execute("UPDATE users SET erase_at = created_at WHERE erase_at IS NOT NULL")
    await world.service(OwnErasure).erase_due()


@pytest.mark.parametrize(
    "end",
    [
        end_by_logout,
        end_by_logout_everywhere,
        end_by_block,
        end_by_delete,
        end_by_role_change,
        end_by_password_change,
        end_by_erasure,
    ],
    ids=lambda end: end.__name__.removeprefix("end_by_"),
)
async def test_21_old_access_tokens_are_refused_everywhere_within_a_second(
    world: World, other: World, ada: SignedIn, end: Any
) -> None:
    admin = await world.make_admin()
    newer = SignedIn.of(await world.refresh(ada.refresh))
    assert (await other.me(newer)).status_code == 200

    await end(world, newer, admin, f"/admin/users/{claims_of(ada.access)['sub']}")

    for signed_in in (ada, newer):
        await assert_refused(world, signed_in.access)
        await assert_refused_within_a_second(other, signed_in)
    assert (await other.me(admin)).status_code == 200


async def test_22_anothers_session_or_refresh_token_lives_on(world: World, ada: SignedIn) -> None:
    await world.make_user("eve@example.com")
    eve = await world.log_in("eve@example.com")

    ended = await world.api.delete(f"/me/sessions/{ada.session_id}", headers=eve.headers)
    assert (ended.status_code, ended.json()["code"]) == (404, "session_not_found")
    stolen = await world.api.request(
        "DELETE", "/logout", headers=eve.headers, json={"token": ada.refresh}
    )
    assert (stolen.status_code, stolen.json()["code"]) == (403, "not_your_session")
    assert (await world.api.delete("/logout-all", headers=eve.headers)).status_code == 204

    assert (await world.me(ada)).status_code == 200
    assert (await world.refresh(ada.refresh)).status_code == 200


async def test_23_idle_and_absolute_time_outs_by_the_servers_clock(
    world: World, ada: SignedIn, clock: MovableClock
) -> None:
    busy = await world.log_in()
    for _ in range(6):
        clock.advance(days=14, seconds=-1)
        headers = {"Date": "Sun, 22 Nov 2026 12:00:00 GMT"}  # a client's clock proves nothing
        answer = await world.api.post("/refresh", json={"token": busy.refresh}, headers=headers)
        busy = SignedIn.of(answer)
    assert (await world.refresh(ada.refresh)).status_code == 401

    clock.advance(days=6, seconds=6)

    assert (await world.refresh(busy.refresh)).status_code == 401
    assert await reuses_of(world) == [], "and nobody is called a thief"


async def knows_key(worker: World, kid: str) -> None:
    keyring = worker.service(Keyring)
    await eventually(lambda: keyring.find(kid), 1)


async def test_24_key_rotation_with_traffic_fails_nobody(
    world: World, other: World, ada: SignedIn, clock: MovableClock
) -> None:
    kids: set[str] = set()
    for step in range(40):
        if step % 10 == 5:
            new = await (world, other)[step % 20 // 10].service(Keyring).rotate()
            for worker in (world, other):
                await knows_key(worker, new)
        clock.advance(290)
        ada = SignedIn.of(await (world, other)[step % 2].refresh(ada.refresh))
        kids.add(header_of(ada.access)["kid"])
        for worker in (world, other):
            assert (await worker.me(ada)).status_code == 200

    assert len(kids) >= 3


async def test_24_a_retired_keys_tokens_are_refused(
    world: World, other: World, ada: SignedIn, clock: MovableClock, insider: Sign
) -> None:
    await world.service(Keyring).rotate()
    clock.advance(3600 + 300 + 300)
    for worker in (world, other):
        await worker.service(Keyring).load()
    now = clock.timestamp()

    kept = {**claims_of(ada.access), "iat": now, "exp": now + 300}

    for worker in (world, other):
        await assert_refused(worker, forge(header_of(ada.access), kept, insider))
        kids = [k["kid"] for k in (await worker.api.get("/.well-known/jwks.json")).json()["keys"]]
        assert header_of(ada.access)["kid"] not in kids
        assert (await worker.refresh(ada.refresh)).status_code == 200


async def test_24_a_compromised_keys_tokens_are_refused_at_once(
    world: World, other: World, ada: SignedIn
) -> None:
    assert (await other.me(ada)).status_code == 200
    kid = await world.service(Keyring).rotate(compromised=True)

    await knows_key(other, kid)

    for worker in (world, other):
        await assert_refused(worker, ada.access)
    assert (await world.me(SignedIn.of(await other.refresh(ada.refresh)))).status_code == 200


async def test_49_every_ending_of_a_session_leaves_a_trace(
    world: World, clock: MovableClock
) -> None:
    """Of what its owner does; tests/sessions/test_traces.py tries every reason that there is."""
    await world.make_user()
    devices = [await world.log_in() for _ in range(5)]
    here, body = devices[0], {"token": devices[1].refresh}
    calls: list[tuple[str, SignedIn, Any]] = [
        ("/logout", here, body),
        (f"/me/sessions/{devices[2].session_id}", here, None),
        ("/logout", devices[3], None),
        ("/logout-all", here, None),
    ]
    for path, caller, sent in calls:
        clock.advance(1)
        answer = await world.api.request("DELETE", path, headers=caller.headers, json=sent)
        assert answer.status_code == 204

    traces = [row for row in await world.login_log() if row["outcome"] == "ended"]
    assert [(row["reason"], row["session_id"]) for row in traces] == [
        ("ended_by_owner", UUID(devices[1].session_id)),
        ("ended_by_owner", UUID(devices[2].session_id)),
        ("logout", UUID(devices[3].session_id)),
        ("logout_everywhere", None),
    ]
    assert {str(row["ip_address"]) for row in traces} == {CLIENT}
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0


async def test_50_without_a_grace_each_refresh_token_is_for_a_single_use(
    settings: Settings, clock: MovableClock
) -> None:
    strict = settings.model_copy(update={"refresh_grace": 0})
    # As far apart as two requests of one instant: either may find the other in its future.
    beside = MovableClock(clock.now() + timedelta(milliseconds=1))
    async with World(strict, clock) as one, World(strict, beside) as two:
        await one.make_user()
        for _ in range(20):
            token = (await one.log_in()).refresh
            answers = await asyncio.gather(one.refresh(token), two.refresh(token))
            again = [(await world.refresh(token)).status_code for world in (one, two)]

            assert sorted(answer.status_code for answer in answers) == [200, 401]
            assert again == [401, 401]
