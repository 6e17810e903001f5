"""The caller's own sessions: listed, ended one by one, and nobody else's touched."""

from uuid import UUID, uuid5

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.revoked import reuses_of
from tests.fixtures.world import CLIENT, SignedIn, World

PIXEL = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Mobile Safari/537.36"
)
UNKNOWN = UUID("01234567-89ab-7def-8123-456789abcdef")


async def log_in_on(world: World, user_agent: str, address: str = CLIENT) -> SignedIn:
    async with world.client(address, **{"User-Agent": user_agent}) as client:
        return await world.log_in(by=client)


async def test_each_device_is_listed_and_this_one_is_marked(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    phone = await log_in_on(world, PIXEL, "198.51.100.9")
    clock.advance(60)
    here = await log_in_on(world, "curl/8.5.0")

    listed = (await world.api.get("/me/sessions", headers=here.headers)).json()

    assert [session["id"] for session in listed] == [here.session_id, phone.session_id]
    assert [session["current"] for session in listed] == [True, False]
    assert listed[1] == {
        "id": phone.session_id,
        "ip_address": "198.51.100.9",
        "kind": "api",
        "device_type": "mobile",
        "browser": "Chrome Mobile 124",
        "os": "Android 14",
        "platform": "Pixel 8",
        "login_at": "2026-11-22T12:00:00Z",
        "last_activity_at": "2026-11-22T12:00:00Z",
        "expires_at": "2026-12-06T12:00:00Z",
        "current": False,
    }


async def test_one_device_is_signed_out_from_another(world: World) -> None:
    await world.make_user()
    here, there = await world.log_in(), await world.log_in()
    path = f"/me/sessions/{there.session_id}"

    answer = await world.api.delete(path, headers=here.headers)

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await world.me(there)).status_code == 401
    assert (await world.me(here)).status_code == 200
    again = await world.api.delete(path, headers=here.headers)
    assert (again.status_code, again.json()["code"]) == (404, "session_not_found")


async def test_anothers_session_is_not_found_and_lives_on(world: World) -> None:
    await world.make_user()
    await world.make_user("eve@example.com")
    ada, eve = await world.log_in(), await world.log_in("eve@example.com")
    bodies = []
    for session_id in (ada.session_id, UNKNOWN, uuid5(UNKNOWN, "x")):
        answer = await world.api.delete(f"/me/sessions/{session_id}", headers=eve.headers)
        bodies.append({**answer.json(), "request_id": ""})
        assert answer.status_code == 404

    assert bodies[0] == bodies[1] == bodies[2], "another's is not told from an unknown one"
    assert (await world.me(ada)).status_code == 200
    assert (await world.refresh(ada.refresh)).status_code == 200
    listed = (await world.api.get("/me/sessions", headers=eve.headers)).json()
    assert [session["id"] for session in listed] == [eve.session_id]


async def test_anothers_refresh_token_is_refused_and_lives_on(world: World) -> None:
    await world.make_user()
    await world.make_user("eve@example.com")
    ada, eve = await world.log_in(), await world.log_in("eve@example.com")
    for token in (ada.refresh, "kfr_" + "A" * 96, "nonsense", ada.access):
        answer = await world.api.request(
            "DELETE", "/logout", headers=eve.headers, json={"token": token[:512]}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "not_your_session")

    for signed_in in (ada, eve):
        assert (await world.me(signed_in)).status_code == 200
        assert (await world.refresh(signed_in.refresh)).status_code == 200


async def test_a_refresh_token_of_ones_own_ends_that_session_and_not_this_one(
    world: World,
) -> None:
    await world.make_user()
    here, there = await world.log_in(), await world.log_in()
    newer = SignedIn.of(await world.refresh(there.refresh))
    for _ in range(2):  # an old one names its session too, and twice is once
        answer = await world.api.request(
            "DELETE", "/logout", headers=here.headers, json={"token": there.refresh}
        )
        assert answer.status_code == 204

    assert (await world.me(newer)).status_code == 401
    assert (await world.refresh(newer.refresh)).status_code == 401
    assert (await world.me(here)).status_code == 200
    assert await reuses_of(world) == [], "an own old token that signs out is no theft"


async def test_a_logout_twice_is_refused_the_second_time(world: World) -> None:
    await world.make_user()
    ada, other = await world.log_in(), await world.log_in()

    assert (await world.api.delete("/logout", headers=ada.headers)).status_code == 204
    assert (await world.api.delete("/logout", headers=ada.headers)).status_code == 401
    assert (await world.api.delete("/logout-all", headers=ada.headers)).status_code == 401

    assert (await world.me(other)).status_code == 200


async def test_signing_out_everywhere_reaches_every_device_and_nobody_else(world: World) -> None:
    await world.make_user()
    await world.make_user("eve@example.com")
    devices = [await world.log_in() for _ in range(3)]
    eve = await world.log_in("eve@example.com")

    answer = await world.api.delete("/logout-all", headers=devices[1].headers)

    assert answer.status_code == 204
    for signed_in in devices:
        assert (await world.me(signed_in)).status_code == 401
        assert (await world.refresh(signed_in.refresh)).status_code == 401
    assert (await world.me(eve)).status_code == 200
    rows = await world.db.fetch("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL")
    assert [row["end_reason"] for row in rows] == ["logout_everywhere"] * 3


@pytest.mark.parametrize("body", [{"token": ""}, {"token": 1}, {"tokens": "x"}, {"token": None}, 7])
async def test_a_logout_that_cannot_be_read_ends_nothing(world: World, body: object) -> None:
    await world.make_user()
    ada = await world.log_in()

    answer = await world.api.request("DELETE", "/logout", headers=ada.headers, json=body)

    assert answer.status_code == 422
    assert (await world.me(ada)).status_code == 200


@pytest.mark.parametrize("session_id", ["1", "' OR 1=1", "..%2f..", "00000000"])
async def test_what_is_no_id_is_refused(world: World, session_id: str) -> None:
    await world.make_user()
    ada = await world.log_in()

    answer = await world.api.delete(f"/me/sessions/{session_id}", headers=ada.headers)

    assert answer.status_code in {404, 422}
