"""Signing in with a passkey alone: its counters, its origins, and many at once."""

import asyncio
from typing import Any
from uuid import UUID

from structlog.testing import capture_logs
from tests.fixtures.authenticator import BE, BS, UP, UV, Json, Passkey
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of, decode
from tests.fixtures.passkeys import (
    add,
    begin_sign_in,
    finish_sign_in,
    own_passkey,
    sign_in,
)
from tests.fixtures.world import SignedIn, World
from tests.login.passkey_answers import is_refused, logged

from keyfob.audit.service import Audit
from keyfob.settings import Settings


async def test_anybody_is_asked_alike(world: World) -> None:
    begun = await begin_sign_in(world)

    assert len(decode(begun["options"].pop("challenge"))) == 32
    assert begun["options"] == {
        "rpId": "localhost",
        "timeout": 300_000,
        "allowCredentials": [],
        "userVerification": "required",
    }


async def test_a_passkey_signs_in(world: World, passkey: Passkey) -> None:
    answer = await sign_in(world, passkey)

    assert answer.status_code == 200
    claims = claims_of(answer.json()["access_token"])
    assert UUID(claims["sub"]).bytes == passkey.user_handle
    assert (claims["amr"], claims["acr"]) == (["pop", "user", "mfa"], "aal2")
    ada = SignedIn.of(answer)
    assert (await world.me(ada)).json()["email"] == "ada@example.com"
    assert (await world.refresh(ada.refresh)).status_code == 200
    assert ("succeeded", "passkey") in await logged(world)


async def test_its_use_is_shown(world: World, passkey: Passkey, clock: MovableClock) -> None:
    clock.advance(hours=3)

    ada = SignedIn.of(await sign_in(world, passkey))

    (factor,) = (await world.api.get("/me/factors", headers=ada.headers)).json()["factors"]
    assert factor["last_used_at"].removesuffix("Z") == clock.now().isoformat()[:19]


async def test_no_password_is_asked_of_a_session_that_a_passkey_began(
    world: World, passkey: Passkey
) -> None:
    """It has presented its factor, so it may change the factors."""
    ada = SignedIn.of(await sign_in(world, passkey))

    assert (await add(world, ada, Passkey())).status_code == 201


async def test_whether_it_is_backed_up_is_kept_up_to_date(world: World) -> None:
    await world.make_user()
    synced = await own_passkey(world, await world.log_in(), sign_count=None, flags=UP | UV | BE)
    assert await world.db.fetchval("SELECT backed_up FROM factors") is False

    synced.flags |= BS
    await sign_in(world, synced)

    assert await world.db.fetchval("SELECT backed_up FROM factors") is True


# Counters


async def test_a_counter_that_does_not_go_on_is_a_copy_s(
    world: World, passkey: Passkey, clock: MovableClock
) -> None:
    copy = passkey.clone()
    assert (await sign_in(world, passkey)).status_code == 200
    assert (await sign_in(world, passkey)).status_code == 200

    with capture_logs() as said:
        refused = await sign_in(world, copy)

    assert is_refused(refused)
    assert ("refused", "wrong_passkey") in await logged(world)
    (line,) = [one for one in said if one["event"] == "passkey_cloned"]
    event = (await world.audit_log())[-1]
    factor_id = str(await world.db.fetchval("SELECT id FROM factors"))
    assert event["action"] == "passkey.cloned_counter"
    owner = UUID(bytes=passkey.user_handle)
    assert (event["actor_id"], event["target_id"]) == (None, owner)
    assert event["old_values"] == {"id": factor_id, "sign_count": 2}
    assert event["new_values"] == {"sign_count": 1}
    assert line["factor_id"] == factor_id
    assert (await world.service(Audit).verify()).broken_at is None
    assert (await sign_in(world, passkey)).status_code == 200


async def test_the_same_count_again_is_refused_and_a_leap_is_not(
    world: World, passkey: Passkey
) -> None:
    await sign_in(world, passkey)
    for count, status in ((0, 401), (1, 200), (1, 401), (4_000_000_000, 200), (5, 401)):
        passkey.sign_count = count
        assert (await sign_in(world, passkey)).status_code == status, count


async def test_a_key_that_counted_and_stops_is_refused(world: World, passkey: Passkey) -> None:
    await sign_in(world, passkey)
    passkey.sign_count = None

    assert is_refused(await sign_in(world, passkey))


async def test_a_key_that_counts_nothing_signs_in_again_and_again(world: World) -> None:
    await world.make_user()
    synced = await own_passkey(world, await world.log_in(), sign_count=None)

    answers = [await sign_in(world, synced) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3


async def test_a_synced_key_whose_count_falls_signs_in_and_a_line_tells(world: World) -> None:
    """Each of its devices may have its own counter: that is not a thief's copy."""
    await world.make_user()
    phone = await own_passkey(world, await world.log_in(), sign_count=7, flags=UP | UV | BE | BS)
    laptop = phone.clone()
    laptop.sign_count = 2
    with capture_logs() as said:
        answers = [await sign_in(world, each) for each in (phone, laptop, laptop, phone, laptop)]

    assert [answer.status_code for answer in answers] == [200] * 5
    fell = [line for line in said if line["event"] == "passkey_count_fell"]
    factor_id = str(await world.db.fetchval("SELECT id FROM factors"))
    assert [(line["factor_id"], line["known"], line["told"]) for line in fell] == [
        (factor_id, 8, 3),
        (factor_id, 9, 5),
    ]
    assert not [line for line in said if line["event"] == "passkey_cloned"]
    cloned = "SELECT count(*) FROM audit_events WHERE action = 'passkey.cloned_counter'"
    assert await world.db.fetchval(cloned) == 0


async def test_a_copy_cannot_say_that_its_key_is_synced(world: World, passkey: Passkey) -> None:
    """The owner of the private key controls the flags: only the first ones count."""
    await sign_in(world, passkey)
    copy = passkey.clone()
    copy.flags |= BE | BS
    copy.sign_count = 40
    ahead = await sign_in(world, copy)
    copy.sign_count = 0

    behind = await sign_in(world, copy)
    owner = await sign_in(world, passkey)

    assert ahead.status_code == 200  # a leap is no sign of anything
    assert is_refused(behind)
    assert is_refused(owner)
    assert (await world.audit_log())[-1]["action"] == "passkey.cloned_counter"


async def test_passkeys_work_at_a_host_in_another_alphabet(
    settings: Settings, clock: MovableClock
) -> None:
    told = settings.model_copy(update={"public_url": "https://вход.example/auth"})
    async with World(told, clock) as world:
        await world.make_user()
        passkey = Passkey(origin="https://xn--b1ae3a1a.example")
        added = await add(world, await world.log_in(), passkey)
        answer = await sign_in(world, passkey)

    assert (added.status_code, answer.status_code) == (201, 200)


async def test_a_passkey_signs_in_from_a_related_origin(
    settings: Settings, clock: MovableClock
) -> None:
    """WebAuthn Level 3 section 5.11: the page's own domain is another than the passkey's."""
    told = settings.model_copy(
        update={
            "public_url": "https://example.com/auth",
            "webauthn_related_origins": ["https://example.co.uk", "https://beispiel.example"],
        }
    )
    async with World(told, clock) as world:
        await world.make_user()
        passkey = await own_passkey(world, await world.log_in(), origin="https://example.com")
        passkey.origin = "https://example.co.uk"
        related = await sign_in(world, passkey)
        passkey.origin = "https://example.org"
        stranger = await sign_in(world, passkey)
        listed = await world.api.get("/.well-known/webauthn", headers={"Origin": "null"})

    assert related.status_code == 200
    assert is_refused(stranger)
    assert (listed.status_code, listed.headers["content-type"]) == (200, "application/json")
    assert listed.json() == {"origins": ["https://example.co.uk", "https://beispiel.example"]}


async def test_without_related_origins_there_is_no_list_of_them(world: World) -> None:
    answer = await world.api.get("/.well-known/webauthn")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


# Races, and workers


async def race(one: World, two: World, *requests: tuple[Json, Any]) -> list[int]:
    answers = await asyncio.gather(
        *(
            finish_sign_in(world, begun, credential)
            for world, (begun, credential) in zip((one, two), requests, strict=True)
        )
    )
    return sorted(answer.status_code for answer in answers)


async def test_of_two_uses_of_a_challenge_at_once_one_signs_in(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        await one.make_user()
        synced = await own_passkey(one, await one.log_in(), sign_count=None)
        for _ in range(12):
            begun = await begin_sign_in(one)
            answer = synced.answer(begun["options"])

            assert await race(one, two, (begun, answer), (begun, answer)) == [200, 401]


async def test_of_a_key_and_its_copy_at_once_one_signs_in(
    settings: Settings, clock: MovableClock
) -> None:
    """Each with a challenge of its own, and the same count."""
    async with World(settings, clock) as one, World(settings, clock) as two:
        await one.make_user()
        passkey = await own_passkey(one, await one.log_in())
        for turn in range(12):
            copy = passkey.clone()
            begun = [await begin_sign_in(one), await begin_sign_in(two)]
            answers = [passkey.answer(begun[0]["options"]), copy.answer(begun[1]["options"])]

            both = await race(one, two, (begun[0], answers[0]), (begun[1], answers[1]))

            assert both == [200, 401]
            assert await one.db.fetchval("SELECT sign_count FROM factors") == turn + 1
        cloned = "SELECT count(*) FROM audit_events WHERE action = 'passkey.cloned_counter'"
        assert await one.db.fetchval(cloned) == 12


async def test_another_worker_takes_the_answer_also_after_a_restart(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as before:
        await before.make_user()
        passkey = await own_passkey(before, await before.log_in())
        begun = await begin_sign_in(before)

    async with World(settings, clock) as after:
        answer = await finish_sign_in(after, begun, passkey.answer(begun["options"]))

    assert answer.status_code == 200


async def test_origins_and_domain_are_the_settings_and_never_the_request_s(
    settings: Settings, clock: MovableClock
) -> None:
    told = settings.model_copy(
        update={
            "webauthn_rp_id": "example.com",
            "webauthn_origins": ["https://a.example.com", "https://b.example.com"],
        }
    )
    async with World(told, clock) as world:
        await world.make_user()
        passkey = await own_passkey(world, await world.log_in(), origin="https://a.example.com")
        host = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}
        begun = (await world.api.post("/login/passkey/options", headers=host)).json()
        assert begun["options"]["rpId"] == "example.com"

        passkey.origin = "https://b.example.com"
        assert (await sign_in(world, passkey)).status_code == 200
        passkey.origin = "http://localhost:8000"
        assert is_refused(await sign_in(world, passkey))
