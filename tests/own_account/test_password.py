"""Changing one's own password: it needs the present one, and ends all other sessions."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.waiting import until, until_somebody_waits
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.settings import Settings

NEW = "a quite different phrase"
DEVICE = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


async def change(
    world: World,
    caller: SignedIn,
    current: object = PASSWORD,
    password: object = NEW,
    client: httpx.AsyncClient | None = None,
) -> httpx.Response:
    return await (client or world.api).post(
        "/me/password",
        json={"current_password": current, "password": password},
        headers=caller.headers,
    )


async def sign_in(world: World, password: str, address: str = CLIENT) -> httpx.Response:
    return await world.attempt_login(password=password, by=address)


async def test_the_new_password_signs_in_and_the_old_one_does_not(
    world: World, ada: SignedIn
) -> None:
    answer = await change(world, ada)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (await sign_in(world, NEW)).status_code == 200
    assert (await sign_in(world, PASSWORD)).status_code == 401


async def test_this_session_goes_on_with_new_tokens_only(world: World, ada: SignedIn) -> None:
    renewed = SignedIn.of(await change(world, ada))

    assert renewed.session_id == ada.session_id
    assert (await world.me(renewed)).status_code == 200
    assert (await world.me(ada)).status_code == 401
    refused = await world.refresh(ada.refresh)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_refresh_token")
    assert (await world.refresh(renewed.refresh)).status_code == 200


async def test_the_others_are_ended_in_every_worker(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        await one.make_user()
        ada, elsewhere = await one.log_in(), await two.log_in()
        assert [(await world.me(elsewhere)).status_code for world in (one, two)] == [200, 200]

        renewed = SignedIn.of(await change(one, ada))

        async def refused_by_the_other() -> bool:
            answers = [await two.me(elsewhere), await two.me(ada)]
            return [answer.status_code for answer in answers] == [401, 401]

        await until(refused_by_the_other)
        assert (await one.me(elsewhere)).status_code == 401
        assert (await two.refresh(elsewhere.refresh)).status_code == 401
        assert (await two.me(renewed)).status_code == 200
        reasons = await one.db.fetch("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL")
        assert [row["end_reason"] for row in reasons] == ["password_changed"]


async def test_a_wrong_present_password_changes_nothing(world: World, ada: SignedIn) -> None:
    answer = await change(world, ada, "a wrong one")

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (await world.me(ada)).status_code == 200
    assert (await sign_in(world, PASSWORD)).status_code == 200
    assert ("refused", "wrong_password") in {
        (row["outcome"], row["reason"]) for row in await world.login_log()
    }


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "too_short"),
        ("x" * 1025, "too_long"),
        ("password123", "common"),
        ("ada@example.com", "like_email"),
    ],
)
async def test_a_weak_one_is_refused_with_the_reason(
    world: World, ada: SignedIn, password: str, reason: str
) -> None:
    answer = await change(world, ada, password=password)

    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
    assert answer.json()["reason"] == reason
    assert (await world.me(ada)).status_code == 200
    assert (await sign_in(world, PASSWORD)).status_code == 200


async def test_a_weak_one_tells_nothing_of_the_present_one(world: World, ada: SignedIn) -> None:
    """Otherwise a guess of it would be answered, and the login log would not know."""
    answers = [
        await change(world, ada, current=current, password="short")
        for current in (PASSWORD, "a wrong guess")
    ]

    assert [answer.json()["code"] for answer in answers] == ["weak_password"] * 2
    assert [row["reason"] for row in await world.login_log()] == ["password"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"password": NEW},
        {"current_password": PASSWORD},
        {"current_password": PASSWORD, "password": None},
        {"current_password": ["x"], "password": NEW},
        {"current_password": PASSWORD, "password": "nul\0nul nul"},
        {"current_password": PASSWORD, "password": NEW, "role": "admin"},
        {"current_password": PASSWORD, "password": "x" * 5000},
    ],
)
async def test_what_does_not_fit_is_refused(
    world: World, ada: SignedIn, body: dict[str, Any]
) -> None:
    answer = await world.api.post("/me/password", json=body, headers=ada.headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert (await world.me(ada)).status_code == 200


async def test_an_account_without_a_password_is_told_what_to_do(
    world: World, ada: SignedIn
) -> None:
    await world.db.execute("UPDATE users SET password_hash = NULL")

    answer = await change(world, ada)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_password")
    assert "/recover/request" in answer.json()["title"]


async def test_a_guess_through_a_stolen_token_counts_as_a_failed_sign_in(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_login_pair": "5/minute"})
    async with World(limited, clock) as world:
        await world.make_user()
        stolen = await world.log_in()
        elsewhere = world.client("198.51.100.9")

        guesses = [(await change(world, stolen, f"guess {n}", client=elsewhere)) for n in range(7)]

        codes = [answer.json()["code"] for answer in guesses]
        assert codes == ["invalid_credentials"] * 5 + ["too_many_attempts"] * 2
        assert int(guesses[-1].headers["retry-after"]) > 0
        # And those of /login are the same counts.
        assert (await sign_in(world, PASSWORD, "198.51.100.9")).status_code == 429
        # Whose account it is, from where they signed in before, can do both.
        assert (await change(world, stolen)).status_code == 200


async def test_guesses_are_bounded_per_account_wherever_they_come_from(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_login_account": "6/minute"})
    async with World(limited, clock) as world:
        await world.make_user()
        stolen = await world.log_in()

        answers = await asyncio.gather(
            *(
                change(world, stolen, f"guess {n}", client=world.client(f"198.51.100.{n}"))
                for n in range(12)
            )
        )

        codes = sorted(answer.json()["code"] for answer in answers)
        assert codes == ["invalid_credentials"] * 6 + ["too_many_attempts"] * 6


async def test_links_in_the_mailbox_live_on(world: World, ada: SignedIn, ada_id: UUID) -> None:
    """Threat: a thief changes the password once a minute, and the owner can never recover."""
    links = world.service(OneTimeTokens)
    async with world.db.begin() as tx:
        issued = [(kind, await links.issue(tx, ada_id, kind)) for kind in Kind]

    await change(world, ada)

    for kind, token in issued:
        assert await links.find(world.db, kind, token) is not None


async def test_who_had_to_choose_another_has_done_so(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    await world.db.execute("UPDATE users SET must_change_password = true")

    await change(world, ada)

    assert not await world.db.fetchval("SELECT must_change_password FROM users")


async def test_it_is_recorded_and_the_owner_is_told(mailbox: Mailbox, world: World) -> None:
    user_id = await world.make_user("Ada@Example.com", name="Ada")
    ada = await world.log_in("ada@example.com")
    await world.log_in("ada@example.com")
    browser = world.client("2001:db8::17", **{"user-agent": DEVICE})

    await change(world, ada, client=browser)

    mail = await mailbox.next(to="Ada@example.com", subject="password was changed")
    assert "Firefox" in mail.text
    assert "2001:db8::17" in mail.text
    assert NEW not in mail.content.decode()
    event = (await world.audit_log())[-1]
    assert (event["action"], event["actor_id"], event["target_id"], event["new_values"]) == (
        "user.password_changed",
        user_id,
        user_id,
        {"sessions_ended": 1},
    )


async def test_a_stale_sign_in_must_be_renewed(
    world: World, ada: SignedIn, clock: MovableClock, settings: Settings
) -> None:
    clock.advance(settings.recent_sign_in + 1)
    later = SignedIn.of(await world.refresh(ada.refresh))

    answer = await change(world, later)

    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
    assert answer.json()["max_age"] == settings.recent_sign_in
    assert 'error="insufficient_user_authentication"' in answer.headers["www-authenticate"]
    assert (await sign_in(world, PASSWORD)).status_code == 200


async def test_of_two_changes_at_once_one_wins(settings: Settings, clock: MovableClock) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        await one.make_user()
        first, second = await one.log_in(), await two.log_in()

        answers = await asyncio.gather(
            change(one, first, password="the first new phrase"),
            change(two, second, password="the second new phrase"),
        )

        assert sorted(answer.status_code for answer in answers) == [200, 401]
        winner = next(answer for answer in answers if answer.status_code == 200)
        assert (await one.me(SignedIn.of(winner))).status_code == 200
        assert await one.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 1
        words = ["first", "second"][answers.index(winner)]
        assert (await sign_in(one, f"the {words} new phrase")).status_code == 200


async def test_a_sign_in_under_way_is_ended_with_the_others(world: World, ada: SignedIn) -> None:
    async with AsyncExitStack() as stack:
        tx = await stack.enter_async_context(world.db.begin())
        await tx.execute("SELECT FROM users FOR SHARE")
        changing = asyncio.create_task(change(world, ada))
        await until_somebody_waits(world.db)
        assert not changing.done()
        await tx.execute(
            """
            INSERT INTO sessions (id, user_id, role, secret_hash, rotated_at, last_activity_at,
                                  expires_at, amr, auth_time, login_at, device_type)
            SELECT gen_random_uuid(), user_id, role, secret_hash, rotated_at, last_activity_at,
                   expires_at, amr, auth_time, login_at, device_type FROM sessions
            """
        )
    assert (await changing).status_code == 200

    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 1


async def test_a_session_that_was_ended_meanwhile_sets_no_password(
    world: World, ada: SignedIn
) -> None:
    async with world.db.begin() as tx:
        await tx.execute("SELECT FROM users FOR UPDATE")
        changing = asyncio.create_task(change(world, ada))
        await until_somebody_waits(world.db)
        await tx.execute("UPDATE sessions SET ended_at = now(), end_reason = 'logout'")

    assert (await changing).status_code == 401
    assert (await sign_in(world, PASSWORD)).status_code == 200


async def test_it_holds_after_a_restart(settings: Settings, clock: MovableClock) -> None:
    async with World(settings, clock) as before:
        await before.make_user()
        ada = await before.log_in()
        renewed = SignedIn.of(await change(before, ada))

    async with World(settings, clock) as after:
        assert (await after.me(ada)).status_code == 401
        assert (await after.me(renewed)).status_code == 200
        assert (await after.refresh(ada.refresh)).status_code == 401
        assert (await sign_in(after, NEW)).status_code == 200


async def test_a_full_hashing_pool_says_so_and_counts_nothing(
    settings: Settings, clock: MovableClock
) -> None:
    tight = settings.model_copy(update={"limits": "on", "hashing_budget": 0.001, "bcrypt_cost": 10})
    async with World(tight, clock) as world:
        await world.make_user()
        ada = await world.log_in()

        answers = await asyncio.gather(*(change(world, ada, "wrong") for _ in range(12)))

        codes = {answer.json()["code"] for answer in answers}
        assert "overloaded" in codes
        refused = sum(answer.json()["code"] == "invalid_credentials" for answer in answers)
        counted = await world.db.fetchval("SELECT coalesce(max(count), 0) FROM attempts")
        assert counted >= refused
