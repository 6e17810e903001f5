"""An account with much data is erased as any other, and nobody waits for it."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import SignedIn, World

from keyfob.accounts import locks
from keyfob.core import batches
from keyfob.core.database import Executor
from keyfob.core.problems import DatabaseUnavailable
from keyfob.login_log.service import LoginLog
from keyfob.own_account.erasure import OwnErasure

GRACE = timedelta(days=14)
NOBODY = UUID(int=0)
LOGINS, AUDIT, SESSIONS = "UPDATE login_events", "UPDATE audit_events", "DELETE FROM sessions"


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "AT_ONCE", 2)


async def leave(world: World, caller: SignedIn) -> int:
    return (await world.api.delete("/me", headers=caller.headers)).status_code


async def pile_up(world: World) -> SignedIn:
    """Leave in both logs and among the sessions more than a batch of Ada; one session is live."""
    for number in range(5):
        ada = await world.log_in()
        name = {"name": f"Ada {number}"}
        (await world.api.patch("/me", json=name, headers=ada.headers)).raise_for_status()
        (await world.api.delete("/logout", headers=ada.headers)).raise_for_status()
    return await world.log_in()


async def amounts(world: World, user_id: UUID) -> dict[str, int]:
    """Count a user's rows, with the statement that removes them."""
    asked = {
        LOGINS: "SELECT count(*) FROM login_events WHERE user_id = $1",
        AUDIT: "SELECT count(*) FROM audit_events WHERE actor_id = $1",
        SESSIONS: "SELECT count(*) FROM sessions WHERE user_id = $1 AND ended_at IS NOT NULL",
    }
    return {sent: await world.db.fetchval(query, user_id) for sent, query in asked.items()}


def counted(seen: list[str]) -> tuple[Counter[str], Counter[str]]:
    """Count statements, each in its own transaction, and those within a longer one."""
    alone: Counter[str] = Counter()
    within: Counter[str] = Counter()
    now = alone
    for statement in seen:
        if statement.startswith("BEGIN"):
            now = within
        elif statement.startswith(("COMMIT", "ROLLBACK")):
            now = alone
        now.update(sent for sent in (LOGINS, AUDIT, SESSIONS) if sent in statement)
    return alone, within


@pytest.mark.parametrize("way", ["due", "by an administrator"])
async def test_all_but_the_last_goes_in_small_transactions(
    world: World, ada_id: UUID, clock: MovableClock, way: str
) -> None:
    admin = await world.make_admin()
    ada = await pile_up(world)
    if way == "due":
        assert await leave(world, ada) == 202
        clock.advance(GRACE.total_seconds())
    piled = await amounts(world, ada_id)

    with recorded_statements() as seen:
        if way == "due":
            await world.service(OwnErasure).erase_due()
        else:
            path = f"/admin/users/{ada_id}"
            (await world.api.delete(path, headers=admin.headers)).raise_for_status()

    assert min(piled.values()) >= 5
    alone, within = counted(seen)
    assert alone == {sent: amount // 2 + 1 for sent, amount in piled.items()}
    assert within == {LOGINS: 1, AUDIT: 1}
    left = "SELECT count(*) FROM audit_events WHERE actor_id = $1 AND ip_address IS NOT NULL"
    assert await world.db.fetchval(left, ada_id) == 0
    assert (await amounts(world, ada_id))[LOGINS] == 0
    assert await world.db.fetchval("SELECT count(*) FROM users WHERE id = $1", ada_id) == 0


async def test_what_comes_meanwhile_is_taken_out_with_the_account(
    world: World, ada_id: UUID, ada: SignedIn, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave(world, ada)
    clock.advance(GRACE.total_seconds())
    erase_person = LoginLog.erase_person

    async def slow(log: LoginLog, db: Executor, user_id: UUID) -> None:
        await erase_person(log, db, user_id)
        if db is world.db:
            await pile_up(world)

    monkeypatch.setattr(LoginLog, "erase_person", slow)
    await world.service(OwnErasure).erase_due()

    assert (await amounts(world, ada_id))[LOGINS] == 0
    addresses = {row["ip_address"] for row in await world.audit_log() if row["actor_id"] == ada_id}
    assert addresses == {None}


async def test_a_fault_with_one_keeps_no_other(
    world: World, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasures = replace(world.service(OwnErasure), at_once=1)
    first, *others = [await world.make_user(f"{name}@example.com") for name in ("a", "b", "c")]
    for number, name in enumerate(("a", "b", "c")):
        clock.advance(number)
        assert await leave(world, await world.log_in(f"{name}@example.com")) == 202
    clock.advance(GRACE.total_seconds())
    erase_person = LoginLog.erase_person

    async def failing(log: LoginLog, db: Executor, user_id: UUID) -> None:
        if user_id == first:
            raise DatabaseUnavailable("A statement took too long")
        await erase_person(log, db, user_id)

    with monkeypatch.context() as patch, captured_log() as log:
        patch.setattr(LoginLog, "erase_person", failing)
        await erasures.erase_due()
    left = [row["id"] for row in await world.db.fetch("SELECT id FROM users")]
    await erasures.erase_due()

    assert left == [first]
    assert [line["user_id"] for line in log.named("account_not_erased")] == [str(first)]
    assert len(log.named("account_erased")) == len(others)
    assert await world.db.fetchval("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize("way", ["due", "by an administrator"])
async def test_what_blanks_the_logs_of_an_account_that_stays_after_all_is_on_record(
    world: World, ada_id: UUID, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Threat: an administrator blanks a user's log, and avoids deleting the account."""
    admin = await world.make_admin()
    admin_id = UUID((await world.me(admin)).json()["id"])
    ada = await pile_up(world)
    erase_person = LoginLog.erase_person

    async def stopped(log: LoginLog, db: Executor, user_id: UUID) -> None:
        await erase_person(log, db, user_id)
        caller = ada if way == "due" else admin
        await world.api.post("/me/keep", headers=caller.headers)
        await world.api.delete("/logout", headers=caller.headers)

    monkeypatch.setattr(LoginLog, "erase_person", stopped)
    if way == "due":
        assert await leave(world, ada) == 202
        await world.db.execute("UPDATE users SET erase_at = $1 WHERE id = $2", clock.now(), ada_id)
        await world.service(OwnErasure).erase_due()
    else:
        answer = await world.api.delete(f"/admin/users/{ada_id}", headers=admin.headers)
        assert answer.status_code == 401

    assert await world.db.fetchval("SELECT count(*) FROM users WHERE id = $1", ada_id) == 1
    assert (await amounts(world, ada_id))[LOGINS] <= 1  # the sign-out
    begun = [e for e in await world.audit_log() if e["action"] == "user.deletion_begun"]
    who = None if way == "due" else admin_id
    assert [(event["actor_id"], event["target_id"]) for event in begun] == [(who, ada_id)]


async def test_a_refused_deletion_leaves_the_logs_whole(world: World, clock: MovableClock) -> None:
    admin = await world.make_admin()
    admin_id = UUID((await world.me(admin)).json()["id"])
    before = [await world.login_log(), await world.audit_log()]

    answer = await world.api.delete(f"/admin/users/{admin_id}", headers=admin.headers)
    await world.db.execute("UPDATE users SET erase_at = $1", clock.now())
    await world.service(OwnErasure).erase_due()

    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert [await world.login_log(), await world.audit_log()] == before


async def test_only_an_administrator_waits_for_who_administers(world: World, ada: SignedIn) -> None:
    await world.make_admin("other@example.com")
    admin = await world.make_admin()

    async with world.db.begin() as tx:
        await locks.lock_with_admins(tx, NOBODY)
        of_a_user = await leave(world, ada)
        leaving = asyncio.create_task(leave(world, admin))
        await until_somebody_waits(world.db)

    assert (of_a_user, await leaving) == (202, 202)


async def test_who_is_made_the_only_administrator_meanwhile_stays(
    world: World, ada_id: UUID, ada: SignedIn
) -> None:
    async with world.db.begin() as tx:
        await locks.lock(tx, ada_id)
        leaving = asyncio.create_task(leave(world, ada))
        await until_somebody_waits(world.db)
        await tx.execute("UPDATE users SET role = 'admin' WHERE id = $1", ada_id)

    assert await leaving == 409
