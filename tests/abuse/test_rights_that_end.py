"""Lines 45 and 48 of the abuse list: nothing is done by a right that has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.authenticator import Passkey
from tests.fixtures.changing_calls import ADMINISTRATIVE, OWN, Prepare, Prepared, Scene
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.links import recover
from tests.fixtures.passkeys import begin_adding, finish_adding
from tests.fixtures.statements import account_locks, recorded_statements
from tests.fixtures.waiting import somebody_waits, until
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.accounts import locks
from keyfob.accounts.changes import Changes
from keyfob.accounts.email import Email
from keyfob.accounts.models import Status
from keyfob.accounts.service import Accounts
from keyfob.authority.models import Role
from keyfob.core.database import Tx
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.sessions.claims import SessionClaims
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings

TABLES = (
    *("users", "sessions", "factors", "recovery_codes", "one_time_tokens", "outbox"),
    *("webauthn_challenges", "pending_logins", "revocations", "audit_events", "login_events"),
    *("clients", "client_secrets", "resources", "roles", "user_roles"),
)
# What a call may spend before it is refused: good for nothing any more, which is right.
SPENT = {
    ("POST", "/me/factors/passkeys", ""): {"webauthn_challenges"},
    ("POST", "/me/reauthenticate", "passkey"): {"webauthn_challenges", "factors"},
}

Take = Callable[[World, Tx, UUID], Awaitable[None]]


async def change(world: World, tx: Tx, user_id: UUID, changes: Changes) -> None:
    account = await locks.lock_with_admins(tx, user_id)
    assert account is not None
    await world.service(Accounts).change_account(tx, account, changes)


async def end_sessions(world: World, tx: Tx, user_id: UUID) -> None:
    await locks.lock_with_admins(tx, user_id)
    await world.service(Sessions).end_all(tx, user_id, EndReason.ADMIN)


async def block(world: World, tx: Tx, user_id: UUID) -> None:
    await change(world, tx, user_id, Changes(status=Status.BLOCKED))
    await world.service(Sessions).end_all(tx, user_id, EndReason.BLOCKED)


async def demote(world: World, tx: Tx, user_id: UUID) -> None:
    await change(world, tx, user_id, Changes(role=Role.USER))
    await world.service(SessionClaims).change_roles(tx, user_id, Role.USER)


async def promote(world: World, tx: Tx, user_id: UUID) -> None:
    await change(world, tx, user_id, Changes(role=Role.MODERATOR))
    await world.service(SessionClaims).change_roles(tx, user_id, Role.MODERATOR)


async def add_factor(world: World, tx: Tx, user_id: UUID) -> None:
    await locks.lock_with_admins(tx, user_id)
    await tx.execute(
        """
        INSERT INTO factors (id, user_id, type, name, created_at, confirmed_at, secret)
        VALUES ($1, $1, 'totp', 'Phone', now(), now(), '')
        """,
        user_id,
    )


async def dump(tx: Any, leaving_out: set[str]) -> dict[str, list[str]]:
    """Return the contents of the tables, without what a flush of activity may write."""
    return {
        table: [
            row["row"]
            for row in await tx.fetch(
                f"SELECT (to_jsonb(t) - 'last_activity_at')::text AS row FROM {table} AS t"
                " ORDER BY 1"
            )
        ]
        for table in TABLES
        if table not in leaving_out
    }


async def nothing_is_to_be_sent(world: World) -> bool:
    """Tell whether the mails of the preparation are sent: they would change the outbox later."""
    return not await world.db.fetchval("SELECT count(*) FROM outbox WHERE failed_at IS NULL")


async def overtaken(world: World, call: Prepared, take: Take, spent: set[str]) -> tuple[int, bool]:
    """Send a call that is authenticated, and take the right away before its transaction.

    Returns its status, and whether the call changed anything. The taking locks the account
    until the call waits for it, or has gone past it.
    """
    async with world.db.begin() as tx:
        await take(world, tx, call.caller_id)
        before = await dump(tx, spent)
        asking = asyncio.create_task(call.send(world))

        async def waits_or_is_done() -> bool:
            return asking.done() or await somebody_waits(world.db)

        await until(waits_or_is_done)
    answer = await asking
    return answer.status_code, await dump(world.db, spent) != before


async def scene_of(world: World, clock: MovableClock, number: int, role: Role) -> Scene:
    email = f"eve{number}@example.com"
    caller_id = await world.make_user(email, role=role)
    return Scene(world, clock, await world.log_in(email), caller_id)


async def sweep(
    world: World,
    clock: MovableClock,
    calls: dict[tuple[str, str, str], Prepare],
    role: Role,
    take: Take,
) -> dict[tuple[str, str, str], tuple[int, bool]]:
    """Return the calls that were not refused, or changed something."""
    await world.make_user("keeper@example.com", role=Role.ADMIN)
    passed = {}
    for number, (name, prepare) in enumerate(calls.items()):
        call = await prepare(await scene_of(world, clock, number, role))
        await until(lambda: nothing_is_to_be_sent(world))
        outcome = await overtaken(world, call, take, SPENT.get(name, set()))
        if outcome not in {(401, False), (403, False)}:
            passed[name] = outcome
    return passed


def changing_calls(world: World) -> set[tuple[str, str]]:
    """Return every call of signed-in users that changes something."""
    return {
        (method.upper(), path)
        for path, operations in world.app.openapi()["paths"].items()
        for method, operation in operations.items()
        if {"bearer": []} in operation.get("security", []) and method != "get"
    }


async def test_45_every_changing_call_is_in_the_sweep_and_would_succeed(
    world: World, clock: MovableClock
) -> None:
    """A new route fails here until it is added; the sweep below then sees whether it asks."""
    await world.make_user("keeper@example.com", role=Role.ADMIN)
    answers: dict[tuple[str, str, str], int] = {}
    locks_taken: dict[tuple[str, str, str], list[tuple[str, ...]]] = {}
    calls = [(OWN, Role.USER), (ADMINISTRATIVE, Role.ADMIN)]
    for offset, (prepared, role) in zip((0, 100), calls, strict=True):
        for number, (name, prepare) in enumerate(prepared.items(), offset):
            call = await prepare(await scene_of(world, clock, number, role))
            with recorded_statements() as statements:
                answers[name] = (await call.send(world)).status_code
            locks_taken[name] = account_locks(statements)

    assert {(method, path) for method, path, _ in answers} == changing_calls(world)
    assert {name: status for name, status in answers.items() if status >= 300} == {}
    # Each once in a transaction: whoever administers takes the own account before the other.
    expected = {name: [("account",)] for name in OWN}
    for name in ADMINISTRATIVE:
        on_users = name[1].startswith("/admin/users")
        expected[name] = [("admins", "account", "account") if on_users else ("admins", "account")]
    expected["DELETE", "/admin/users/{id}", ""] *= 2  # before and after what was piled up goes
    for name in (("POST", "/admin/users/bulk", ""), ("POST", "/admin/users/bulk/undo", "")):
        # Before the report begins, and again for the account.
        expected[name] = [("admins", "account"), ("admins", "account", "account")]
    assert locks_taken == expected


@pytest.mark.parametrize("take", [end_sessions, block, promote])
async def test_45_no_own_change_is_made_by_a_session_that_lost_the_right_meanwhile(
    world: World, clock: MovableClock, take: Take
) -> None:
    assert await sweep(world, clock, OWN, Role.USER, take) == {}


@pytest.mark.parametrize("take", [end_sessions, block, demote])
async def test_45_nothing_is_administered_by_who_lost_the_right_meanwhile(
    world: World, clock: MovableClock, take: Take
) -> None:
    assert await sweep(world, clock, ADMINISTRATIVE, Role.ADMIN, take) == {}


# Of who has no factor yet; the others of these show the one that they have.
BEFORE_A_FACTOR = [
    ("POST", "/me/factors/totp", ""),
    ("POST", "/me/factors/totp/{id}/confirm", ""),
    ("POST", "/me/factors/passkeys/options", ""),
    ("POST", "/me/factors/passkeys", ""),
    ("POST", "/me/password", ""),
    ("POST", "/me/email", ""),
    ("POST", "/me/reauthenticate", "password"),
    ("DELETE", "/me", ""),
]


async def test_45_a_factor_that_was_added_meanwhile_is_asked_for(
    world: World, clock: MovableClock
) -> None:
    calls = {name: OWN[name] for name in BEFORE_A_FACTOR}

    assert await sweep(world, clock, calls, Role.USER, add_factor) == {}


async def test_53_nothing_is_administered_without_a_factor_that_was_added_meanwhile(
    world: World, clock: MovableClock
) -> None:
    assert await sweep(world, clock, ADMINISTRATIVE, Role.ADMIN, add_factor) == {}


ROUNDS = 100

Body = dict[str, Any]


async def deeds_after(world: World, actor_id: UUID, taking: str) -> list[str]:
    """Return an actor's events after the right was taken away, by the order of the audit log."""
    return [
        event["action"]
        for event in await world.db.fetch(
            """
            SELECT action FROM audit_events
             WHERE actor_id = $1 AND action <> $2
               AND position > (SELECT max(position) FROM audit_events
                                WHERE target_id = $1 AND action = $2)
            """,
            actor_id,
            taking,
        )
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ({"role": "user"}, {"role": "admin"}),
        ({"status": "blocked"}, {"status": "active"}),
    ],
    ids=["demoted", "blocked"],
)
async def test_45_an_administrator_who_is_taken_down_undoes_it_in_none_of_a_hundred_races(
    settings: Settings, clock: MovableClock, taken: Body, wanted: Body
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        root = await one.make_admin()
        undone = 0
        for number in range(ROUNDS):
            email = f"eve{number}@example.com"
            eve_id = await one.make_user(email, role=Role.ADMIN)
            eve = await two.log_in(email)
            path = f"/admin/users/{eve_id}"

            down, _ = await asyncio.gather(
                one.api.patch(path, json=taken, headers=root.headers),
                two.api.patch(path, json=wanted, headers=eve.headers),
            )

            assert down.status_code == 200
            row = await one.db.fetchrow("SELECT role, status FROM users WHERE id = $1", eve_id)
            undone += any(row[field] != value for field, value in taken.items())
            await one.db.execute("DELETE FROM users WHERE id = $1", eve_id)

    assert undone == 0


@pytest.mark.slow
async def test_45_who_waits_for_a_hash_makes_no_administrator_after_the_block(
    settings: Settings, clock: MovableClock
) -> None:
    """A hash of cost 8 takes longer than the block."""
    slow = settings.model_copy(update={"bcrypt_cost": 8})
    async with World(settings, clock) as one, World(slow, clock) as two:
        root = await one.make_admin()
        made = 0
        for number in range(ROUNDS):
            email = f"eve{number}@example.com"
            eve_id = await one.make_user(email, role=Role.ADMIN)
            eve = await one.log_in(email)
            other = {"email": f"mallory{number}@example.com", "password": PASSWORD, "role": "admin"}

            blocked, _ = await asyncio.gather(
                one.api.patch(
                    f"/admin/users/{eve_id}", json={"status": "blocked"}, headers=root.headers
                ),
                two.api.post("/admin/users", json=other, headers=eve.headers),
            )

            assert blocked.status_code == 200
            made += bool(await deeds_after(one, eve_id, "user.changed"))
            await one.db.execute("DELETE FROM users WHERE email LIKE 'eve%' OR email LIKE 'mal%'")

    assert made == 0


@pytest.mark.slow
async def test_45_a_recovered_account_gets_no_passkey_from_an_ended_session(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        added = 0
        for number in range(ROUNDS):
            email = f"ada{number}@example.com"
            user_id = await one.make_user(email)
            thief = await two.log_in(email)
            begun = await begin_adding(two, thief)
            made = Passkey().make(begun["options"])
            async with one.db.begin() as tx:
                token = await one.service(OneTimeTokens).issue(
                    tx, user_id, Kind.RECOVER, email=Email.parse(email)
                )

            recovered, _ = await asyncio.gather(
                recover(one, token), finish_adding(two, thief, begun, made)
            )

            assert recovered.status_code == 204
            added += bool(await deeds_after(one, user_id, "user.password_recovered"))

    assert added == 0


async def test_48_an_old_session_of_an_administrator_makes_no_way_to_stay(
    world: World, clock: MovableClock
) -> None:
    """A stolen token: make an administrator, be one, and put the real one out."""
    root_id = await world.make_user("root@example.com", role=Role.ADMIN)
    owner = await world.log_in("root@example.com")
    await add_totp(world, owner, clock)
    thief = SignedIn.of(await world.refresh(owner.refresh))
    clock.advance(301)
    thief = SignedIn.of(await world.refresh(thief.refresh))
    mallory = {"email": "mallory@example.com", "password": PASSWORD}

    made = await world.api.post(
        "/admin/users", json={**mallory, "role": "admin"}, headers=thief.headers
    )
    if made.status_code == 401:  # then perhaps in two steps
        plain = await world.api.post("/admin/users", json=mallory, headers=thief.headers)
        path = f"/admin/users/{plain.json()['id']}"
        made = await world.api.patch(path, json={"role": "admin"}, headers=thief.headers)

    assert (made.status_code, made.json().get("code")) == (401, "insufficient_user_authentication")
    second = await world.log_in("mallory@example.com")
    for method, path, body in (
        ("POST", f"/admin/users/{root_id}/factors/reset", None),
        ("PATCH", f"/admin/users/{root_id}", {"role": "user"}),
    ):
        for caller, expected in ((thief, 401), (second, 403)):
            answer = await world.api.request(method, path, json=body, headers=caller.headers)
            assert answer.status_code == expected
    row = await world.db.fetchrow("SELECT role, has_factor(id) FROM users WHERE id = $1", root_id)
    assert row is not None
    assert tuple(row) == ("admin", True)


async def test_48_the_role_is_read_under_the_lock(world: World, clock: MovableClock) -> None:
    """The account is promoted while an old session waits to take it over."""
    await world.make_user("keeper@example.com", role=Role.ADMIN)
    admin = await world.make_admin()
    user_id = await world.make_user()
    clock.advance(301)
    admin = SignedIn.of(await world.refresh(admin.refresh))

    async with world.db.begin() as tx:
        await change(world, tx, user_id, Changes(role=Role.MODERATOR))
        changing = asyncio.create_task(
            world.api.patch(
                f"/admin/users/{user_id}", json={"email": "m@example.com"}, headers=admin.headers
            )
        )
        await until(lambda: somebody_waits(world.db))

    assert (await changing).status_code == 401
