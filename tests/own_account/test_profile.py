"""Changing one's own profile: name, language and time zone, and nothing else."""

import asyncio
import zoneinfo
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until
from tests.fixtures.world import CLIENT, SignedIn, World

from keyfob.audit.service import Audit
from keyfob.own_account.profile import is_timezone, timezones
from keyfob.settings import Settings


async def change(world: World, caller: SignedIn, body: object) -> httpx.Response:
    return await world.api.patch("/me", json=body, headers=caller.headers)


async def test_what_is_sent_changes_and_the_answer_is_the_account(
    world: World, ada: SignedIn
) -> None:
    answer = await change(
        world, ada, {"name": " Ada King ", "locale": "ru", "timezone": "Europe/London"}
    )

    assert answer.status_code == 200
    assert (await world.me(ada)).json() == answer.json()
    changed = {name: answer.json()[name] for name in ("name", "locale", "timezone", "email")}
    assert changed == {
        "name": "Ada King",
        "locale": "ru",
        "timezone": "Europe/London",
        "email": "Ada@Example.com",
    }


@pytest.mark.parametrize("field", ["name", "locale", "timezone"])
async def test_what_is_absent_stays(world: World, ada: SignedIn, field: str) -> None:
    everything = {"name": "Ada", "locale": "ru", "timezone": "Asia/Tokyo"}
    before = (await change(world, ada, everything)).json()
    other = {"name": "Countess", "locale": "en", "timezone": "America/Argentina/Ushuaia"}

    after = (await change(world, ada, {field: other[field]})).json()

    assert after == {**before, field: other[field]}
    assert (await change(world, ada, {})).json() == after


async def test_null_takes_name_and_time_zone_away(world: World, ada: SignedIn) -> None:
    await change(world, ada, {"timezone": "Asia/Tokyo"})

    answer = await change(world, ada, {"name": None, "timezone": None})

    assert (answer.json()["name"], answer.json()["timezone"]) == (None, None)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"role": "admin"}, "/body"),
        ({"status": "active"}, "/body"),
        ({"email": "eve@example.com"}, "/body"),
        ({"email_verified": True}, "/body"),
        ({"email_verified_at": "2026-01-01T00:00:00Z"}, "/body"),
        ({"must_change_password": False}, "/body"),
        ({"password": "correct horse"}, "/body"),
        ({"id": "01890000-0000-7000-8000-000000000000", "name": "Eve"}, "/body"),
        ({"locale": "de"}, "/body/locale"),
        ({"locale": None}, "/body/locale"),
        ({"locale": "EN"}, "/body/locale"),
        ({"name": ""}, "/body/name"),
        ({"name": "x" * 201}, "/body/name"),
        ({"name": "Ada\r\nBcc: eve@example.com"}, "/body/name"),
        ({"name": "Ada\u202e"}, "/body/name"),
        ({"name": 7}, "/body/name"),
        ({"timezone": "Europe/Nowhere"}, "/body/timezone"),
        ({"timezone": "europe/berlin"}, "/body/timezone"),
        ({"timezone": "../../etc/passwd"}, "/body/timezone"),
        ({"timezone": "/etc/localtime"}, "/body/timezone"),
        ({"timezone": "Europe"}, "/body/timezone"),
        ({"timezone": "zone.tab"}, "/body/timezone"),
        ({"timezone": "tzdata/zones"}, "/body/timezone"),
        ({"timezone": ""}, "/body/timezone"),
        ({"timezone": "A" * 65}, "/body/timezone"),
        ({"timezone": "Europe/Berlin\n"}, "/body/timezone"),
        ({"timezone": 1}, "/body/timezone"),
    ],
)
async def test_what_is_not_the_owner_s_to_say_is_refused(
    world: World, ada: SignedIn, body: dict[str, Any], pointer: str
) -> None:
    before = (await world.me(ada)).json()

    answer = await change(world, ada, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await world.me(ada)).json() == before


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b'{"name": "a", "name": "b"}'])
async def test_what_is_no_object_is_refused(world: World, ada: SignedIn, body: bytes) -> None:
    headers = {**ada.headers, "content-type": "application/json"}

    answer = await world.api.patch("/me", content=body, headers=headers)

    assert answer.status_code in {400, 422}
    assert (await world.me(ada)).json()["name"] == "Ada"


async def test_the_audit_log_tells_which_fields_changed_and_not_what_they_say(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    before = len(await world.audit_log())

    for body in (
        {"name": "Ada King", "locale": "en", "timezone": None},  # of which the name alone is new
        {"locale": "ru", "timezone": "Asia/Tokyo"},
        {"name": "Ada King", "timezone": "Asia/Tokyo"},
        {},
    ):
        await change(world, ada, body)

    first, second = (await world.audit_log())[before:]
    assert (first["action"], first["actor_id"], first["target_id"], str(first["ip_address"])) == (
        "user.profile_changed",
        ada_id,
        ada_id,
        CLIENT,
    )
    assert first["old_values"] == first["new_values"] == {"name": "(not kept)"}
    assert set(second["new_values"].items()) == {
        ("locale", "(not kept)"),
        ("timezone", "(not kept)"),
    }
    assert (await world.service(Audit).verify()).broken_at is None


async def test_another_worker_sees_it(settings: Settings, clock: MovableClock) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        await one.make_user(name="Ada")
        ada = await one.log_in()
        assert (await two.me(ada)).json()["name"] == "Ada"  # and remembers it

        await change(one, ada, {"name": "Countess"})

        async def has_heard() -> bool:
            return bool((await two.me(ada)).json()["name"] == "Countess")

        assert (await one.me(ada)).json()["name"] == "Countess"
        await until(has_heard)


async def test_an_account_that_is_gone_has_no_profile(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    await world.db.execute("DELETE FROM users WHERE id = $1", ada_id)

    answers = [await change(world, ada, body) for body in ({"name": "Ada"}, {})]

    assert [answer.status_code for answer in answers] == [401, 401]


async def test_two_changes_at_once_are_both_there(settings: Settings, clock: MovableClock) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        await one.make_user(name="Ada")
        ada = await one.log_in()

        await asyncio.gather(
            *(change(one, ada, {"name": "Countess"}) for _ in range(5)),
            *(change(two, ada, {"timezone": "Asia/Tokyo"}) for _ in range(5)),
        )

        row = await one.db.fetchrow("SELECT name, timezone FROM users")
        assert row is not None
        assert tuple(row) == ("Countess", "Asia/Tokyo")


async def test_zones_are_those_of_the_iana_database() -> None:
    zones = ["Europe/Moscow", "America/Port-au-Prince", "Etc/GMT+12", "UTC", "Asia/Kolkata"]
    others = ["posixrules", "posix/Europe/Moscow", "right/UTC", "leapseconds", "Factory/"]

    assert [await is_timezone(name) for name in zones] == [True] * 5
    assert [await is_timezone(name) for name in others] == [False] * 5


async def test_zones_are_known_where_the_machine_has_no_list() -> None:
    timezones.cache_clear()
    zoneinfo.reset_tzpath(to=[])
    try:
        assert await is_timezone("Europe/Moscow")
        assert not await is_timezone("Europe/Nowhere")
    finally:
        zoneinfo.reset_tzpath()
        timezones.cache_clear()
