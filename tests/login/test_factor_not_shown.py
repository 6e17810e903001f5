"""A right password that no factor follows leaves a trace in the login log."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    Authenticator,
    add_totp,
    ask_for_factor,
    show_factor,
    wrong_code,
)
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import SignedIn, World

from keyfob.login.pending import PendingLogins
from keyfob.login_log.service import LoginLog
from keyfob.settings import Settings

ELSEWHERE = "2001:db8::7"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"


@pytest.fixture
async def app(world: World, clock: MovableClock) -> Authenticator:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    clock.advance(30)
    return app


async def begin_elsewhere(world: World) -> str:
    """Give the right password from another network and device, and return the `mfa_token`."""
    stranger = world.client(ELSEWHERE, **{"user-agent": FIREFOX})
    token: str = (await world.attempt_login(by=stranger)).json()["mfa_token"]
    return token


async def not_shown(world: World) -> list[Any]:
    return [row for row in await world.login_log() if row["reason"] == "factor_not_shown"]


async def let_expire(world: World, clock: MovableClock) -> None:
    clock.advance(300)
    await world.service(PendingLogins).clean_up()


async def test_owner_and_administrators_see_when_from_where_and_with_what(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    await begin_elsewhere(world)
    await let_expire(world, clock)

    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))
    root = await world.make_admin()
    own = (await world.api.get("/me/logins", headers=ada.headers)).json()
    of_all = (await world.api.get("/admin/logins", headers=root.headers)).json()

    for listed in (own, of_all):
        (entry,) = [one for one in listed if one["reason"] == "factor_not_shown"]
        assert {**entry, "id": None} == {
            "id": None,
            "at": "2026-11-22T12:00:30Z",  # of the password, not of when nobody came back
            "outcome": "refused",
            "reason": "factor_not_shown",
            "user_id": (await world.me(ada)).json()["id"],
            "email": "ada@example.com",
            "name": None,
            "ip_address": ELSEWHERE,
            "device_type": "desktop",
            "browser": "Firefox 132",
            "os": "Linux",
            "platform": None,
            "session_id": None,
        }


async def test_it_is_written_once_and_only_when_the_wait_is_over(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    await begin_elsewhere(world)
    clock.advance(299)
    await world.service(PendingLogins).clean_up()
    assert await not_shown(world) == []

    for _ in range(2):
        await let_expire(world, clock)

    assert len(await not_shown(world)) == 1


async def test_a_factor_that_was_tried_is_one_line_right_or_wrong(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    await show_factor(world, await begin_elsewhere(world), code=wrong_code(app))
    await show_factor(world, await begin_elsewhere(world), code=app.code())

    await let_expire(world, clock)

    reasons = [row["reason"] for row in await world.login_log()][1:]
    assert sorted(reasons) == ["password_and_code", "wrong_factor"]


async def test_whoever_ends_all_sessions_hides_nothing(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    """Threat: a thief with the password and an old session removes the trace with it."""
    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))
    await begin_elsewhere(world)

    await world.api.delete("/logout-all", headers=ada.headers)

    (row,) = await not_shown(world)
    assert str(row["ip_address"]) == ELSEWHERE
    await let_expire(world, clock)
    assert len(await not_shown(world)) == 1


async def test_of_workers_that_clean_at_once_one_writes_each(
    world: World, settings: Settings, app: Authenticator, clock: MovableClock
) -> None:
    for _ in range(20):
        await begin_elsewhere(world)
    clock.advance(300)

    async with World(settings, clock) as other:
        await asyncio.gather(*(one.service(PendingLogins).clean_up() for one in (world, other) * 3))

    assert len(await not_shown(world)) == 20
    assert await world.db.fetchval("SELECT count(*) FROM pending_logins") == 0


async def test_what_is_cleaned_while_its_account_is_erased_names_nobody(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    ada = await world.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    await begin_elsewhere(world)
    await begin_elsewhere(world)
    clock.advance(300)
    admin = await world.make_admin()
    log = world.service(LoginLog)
    erasures: list[asyncio.Task[None]] = []

    class SlowLog:
        """Lets the erasure begin while the first line is written and not committed."""

        async def factor_not_shown(self, *wait: Any) -> None:
            await log.factor_not_shown(*wait)
            if not erasures:
                erasures.append(asyncio.create_task(erase(world, admin, ada)))
                await until_somebody_waits(world.db)

    pending = PendingLogins(db=world.db, clock=clock, log=SlowLog())  # type: ignore[arg-type] # duck
    await pending.clean_up()
    await erasures[0]

    rows = await not_shown(world)
    assert len(rows) == 2
    assert {(row["user_id"], row["ip_address"], row["browser"]) for row in rows} == {
        (None, None, None)
    }


async def test_what_is_of_an_account_that_is_held_is_cleaned_the_next_time(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    """The lock's holder may be about to erase the account, and wait for these rows."""
    await begin_elsewhere(world)
    clock.advance(300)

    async with world.db.begin() as tx:
        await tx.execute("SELECT FROM users WHERE email = 'ada@example.com' FOR UPDATE")
        await world.service(PendingLogins).clean_up()
        assert await world.db.fetchval("SELECT count(*) FROM pending_logins") == 1
    await world.service(PendingLogins).clean_up()

    assert await world.db.fetchval("SELECT count(*) FROM pending_logins") == 0
    assert len(await not_shown(world)) == 1


async def erase(world: World, admin: SignedIn, user_id: UUID) -> None:
    answer = await world.api.delete(f"/admin/users/{user_id}", headers=admin.headers)
    assert answer.status_code == 204


async def test_the_wait_of_an_erased_account_is_nobody_s(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    admin = await world.make_admin()
    ada = await world.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    await begin_elsewhere(world)

    await erase(world, admin, ada)

    (row,) = await not_shown(world)
    assert [row[name] for name in ("user_id", "ip_address", "browser", "os", "platform")] == [
        None
    ] * 5
    assert row["at"] == datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)


async def test_it_goes_into_the_month_of_the_password(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    clock.advance(days=9)
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    clock.advance((midnight - clock.now()).total_seconds() - 60)
    await begin_elsewhere(world)

    await let_expire(world, clock)

    month = await world.db.fetchval(
        "SELECT tableoid::regclass::text FROM login_events WHERE reason = 'factor_not_shown'"
    )
    assert month == "login_events_2026_11"


async def test_what_the_log_keeps_no_longer_is_not_written(
    world: World, settings: Settings, app: Authenticator, clock: MovableClock
) -> None:
    """After such a long time without clean-up, the month is dropped already."""
    await begin_elsewhere(world)
    clock.advance(days=settings.login_log_retention_days + 1)

    await world.service(PendingLogins).clean_up()

    assert await not_shown(world) == []
    assert await world.db.fetchval("SELECT count(*) FROM pending_logins") == 0


async def test_an_export_tells_of_a_wait(world: World, app: Authenticator) -> None:
    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))
    await begin_elsewhere(world)

    export = (await world.api.get("/me/export", headers=ada.headers)).json()

    (wait,) = export["pending_sign_ins"]
    assert (wait["ip_address"], wait["browser"], wait["os"]) == (ELSEWHERE, "Firefox 132", "Linux")
