"""Work beside requests waits for no row of an account that is being deleted.

The removal may be waiting for another row of that account, which is held here already.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import somebody_waits, until
from tests.fixtures.world import World

from keyfob.mfa.enrolment import TotpEnrolment
from keyfob.mfa.passkeys.challenges import Challenges
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox import queries
from keyfob.outbox.service import Outbox

ROWS = {
    "one_time_tokens": "INSERT INTO one_time_tokens (token_hash, user_id, kind, created_at,"
    " expires_at) VALUES (sha256($2::text::bytea), $1, 'recover', $3, $3)",
    "webauthn_challenges": "INSERT INTO webauthn_challenges (id, user_id, challenge, expires_at)"
    " VALUES (md5($2::text)::uuid, $1, '', $3)",
    "factors": "INSERT INTO factors (id, user_id, type, name, created_at, secret)"
    " VALUES (md5($2::text)::uuid, $1, 'totp', 'Phone', $3, '')",
    "outbox": "INSERT INTO outbox (id, user_id, kind, payload, created_at, due_at, failed_at)"
    " VALUES (md5($2::text)::uuid, $1, 'mail', '', $3, $3, $3)",
    "sessions": "INSERT INTO sessions (id, user_id, role, secret_hash, rotated_at, ended_at,"
    " last_activity_at, expires_at, amr, auth_time, login_at, device_type, end_reason)"
    " VALUES (md5($2::text)::uuid, $1, 'user', '', $3, $3, $3, $3, '{pwd}', $3, $3, 'unknown',"
    " 'logout')",
    "outbox, leased": "INSERT INTO outbox (id, user_id, kind, payload, created_at, due_at)"
    " VALUES (md5($2::text)::uuid, $1, 'mail', '', $3, $3)",
}


async def drop_old_sessions(world: World) -> None:
    (chore,) = (chore for chore in world.wiring.worker.chores if chore.name == "old sessions")
    await chore.run()


async def extend_leases(world: World) -> None:
    rows = await world.db.fetch("SELECT id FROM outbox")
    leased_until = world.service(Outbox).clock.now()
    await queries.extend_leases(world.db, [row["id"] for row in rows], [0, 0], leased_until)


@pytest.mark.parametrize(
    ("table", "work"),
    [
        ("one_time_tokens", lambda world: world.service(OneTimeTokens).clean_up()),
        ("webauthn_challenges", lambda world: world.service(Challenges).clean_up()),
        ("factors", lambda world: world.service(TotpEnrolment).clean_up()),
        ("outbox", lambda world: world.service(Outbox).delete_old()),
        ("outbox", lambda world: world.service(Outbox).retry()),
        ("outbox, leased", extend_leases),
        ("sessions", drop_old_sessions),
    ],
    ids=["links", "challenges", "factors", "dead letters", "retried letters", "leases", "sessions"],
)
async def test_nobody_waits_for_an_account_that_is_being_removed(
    world: World, clock: MovableClock, table: str, work: Callable[[World], Awaitable[object]]
) -> None:
    await world.wiring.runner.stop()
    user_id = await world.make_user()
    for number in range(2):
        await world.db.execute(ROWS[table], user_id, str(number), clock.now())
    clock.advance(days=40)

    async with world.db.begin() as removal:
        name = table.partition(",")[0]
        await removal.execute(f"SELECT FROM {name} LIMIT 1 FOR UPDATE")
        working = asyncio.ensure_future(work(world))

        async def is_settled() -> bool:
            return working.done() or await somebody_waits(world.db)

        await until(is_settled)
        assert working.done()
    await working
