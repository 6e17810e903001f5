"""Checks that all that was acknowledged is true, in the database and over HTTP, and complete."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import asyncpg
from bench.harness.servers import ADMIN

from drills.harness.ledger import Account, Credential, Ledger, Program, Session
from drills.harness.wire import Answer, Unanswered, Wire

# Requests at once while promises are checked over HTTP.
_ABREAST = 8

# What must have no row. A change and its trace are one transaction, so neither is there alone.
_HALF_THERE = {
    "tallies that do not count the users": """
        SELECT 1 FROM (SELECT role, status, sum(amount) AS amount FROM user_tallies
                        GROUP BY role, status HAVING sum(amount) <> 0) AS told
          FULL JOIN (SELECT role, status, count(*) AS amount FROM users
                      GROUP BY role, status) AS seen USING (role, status)
         WHERE told.amount IS DISTINCT FROM seen.amount
    """,
    "users without the event of their making": """
        SELECT 1 FROM users AS u
         WHERE NOT EXISTS (SELECT 1 FROM audit_events WHERE target_id = u.id
                              AND action IN ('user.registered', 'user.created'))
    """,
    "sessions without user": """
        SELECT 1 FROM sessions LEFT JOIN users ON users.id = user_id WHERE users.id IS NULL
    """,
    "sessions without their sign-in": """
        SELECT 1 FROM sessions AS s WHERE NOT EXISTS (
            SELECT 1 FROM login_events WHERE session_id = s.id AND outcome = 'succeeded')
    """,
    "sign-ins without their session": """
        SELECT 1 FROM login_events AS e JOIN users ON users.id = e.user_id
         WHERE e.outcome = 'succeeded'
           AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = e.session_id)
    """,
    "live sessions of blocked users, or of another role": """
        SELECT 1 FROM sessions AS s JOIN users AS u ON u.id = s.user_id
         WHERE s.ended_at IS NULL AND (u.status <> 'active' OR u.role <> s.role)
    """,
    "ended sessions that are not revoked": """
        SELECT 1 FROM sessions AS s WHERE s.ended_at > now() - interval '4 minutes'
           AND NOT EXISTS (SELECT 1 FROM revocations WHERE id IN (s.id, s.user_id))
    """,
    "clients without the event of their making": """
        SELECT 1 FROM clients AS c WHERE NOT EXISTS (
            SELECT 1 FROM audit_events WHERE target_id = c.id AND action = 'client.created')
    """,
    "clients with more than two secrets": """
        SELECT 1 FROM client_secrets GROUP BY client_id HAVING count(*) > 2
    """,
    "gaps in the audit chain": """
        SELECT 1 FROM audit_events HAVING count(*) <> COALESCE(max(position), 0)
    """,
}


async def lost_promises(ledger: Ledger, dsn: str, port: int) -> list[str]:
    """Hold a ledger against the database and a running service; return every promise not kept.

    Refreshes, and signs out of nothing: what is checked over HTTP is checked last.
    """
    connection = await asyncpg.connect(dsn)
    try:
        users = {str(row["id"]): row for row in await connection.fetch("SELECT * FROM users")}
        rows = await connection.fetch("SELECT * FROM sessions")
        clients = {str(row["id"]) for row in await connection.fetch("SELECT id FROM clients")}
        sessions = {str(row["id"]): row for row in rows}
        changes = await _changes(connection)
        half = [name for name, query in _HALF_THERE.items() if await connection.fetch(query)]
    finally:
        await connection.close()
    lost = [*half, *_strangers(ledger, users)]
    opened = Counter(str(row["user_id"]) for row in rows)
    for account in ledger.accounts:
        lost += _lost_of_account(account, users.get(account.id), opened, changes)
        for session in account.sessions:
            lost += _lost_of_session(session, sessions.get(session.id))
    lost += [f"program {one.id} is gone" for one in ledger.programs if one.id not in clients]
    return lost + await _lost_over_http(ledger, port)


async def _changes(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, int]:
    rows = await connection.fetch(
        """
        SELECT target_id::text, count(*) FROM audit_events
         WHERE action = 'user.changed' GROUP BY 1
        """
    )
    return {row["target_id"]: row["count"] for row in rows}


def _strangers(ledger: Ledger, users: dict[str, asyncpg.Record]) -> Iterator[str]:
    known = {account.email for account in ledger.accounts} | {ADMIN[0]}
    emails = Counter(row["email_normal"] for row in users.values())
    yield from (f"{email} asked for by nobody" for email in emails.keys() - known)
    yield from (f"{email} is there {times} times" for email, times in emails.items() if times > 1)


def _lost_of_account(
    account: Account, row: asyncpg.Record | None, opened: Counter[str], changes: dict[str, int]
) -> Iterator[str]:
    if not account.id:  # never acknowledged: it may be there, whole, or not
        return
    if row is None:
        if not account.deleting:
            yield f"account {account.email} is gone"
        return
    if account.deleted:
        yield f"account {account.email} is still there"
    yield from _lost_of_row(account, row)
    if account.email == ADMIN[0]:  # several clients are the same administrator
        return
    if not len(account.sessions) <= opened[account.id] <= account.sign_ins_asked:
        yield f"{account.email} has {opened[account.id]} sessions, of {account.sign_ins_asked}"
    if not account.changes_made <= changes.get(account.id, 0) <= account.changes_asked:
        yield f"{account.email} was changed {changes.get(account.id, 0)} times"


def _lost_of_row(account: Account, row: asyncpg.Record) -> Iterator[str]:
    if row["role"] not in account.roles:
        yield f"{account.email} is {row['role']}, and was promised {account.roles}"
    if row["status"] not in account.statuses:
        yield f"{account.email} is {row['status']}, and was promised {account.statuses}"


def _lost_of_session(session: Session, row: asyncpg.Record | None) -> Iterator[str]:
    if row is None:
        if not session.account.deleting:
            yield f"session {session.id} is gone"
    elif row["generation"] < session.generation:
        yield f"session {session.id} went back to generation {row['generation']}"
    elif session.ended and row["ended_at"] is None:
        yield f"session {session.id} lives on"
    elif not session.ending and row["ended_at"] is not None:
        yield f"session {session.id} was ended by nobody: {row['end_reason']}"


async def _lost_over_http(ledger: Ledger, port: int) -> list[str]:
    lost: list[str] = []
    everything: list[Session | Program] = [
        *(session for account in ledger.accounts for session in account.sessions),
        *(program for program in ledger.programs if program.secrets),
    ]
    promised = iter(everything)

    async def check_some(promised: Iterable[Session | Program]) -> None:
        wire = Wire(port)
        for one in promised:
            if isinstance(one, Program):
                lost.extend(await _lost_of_program(wire, one))
            elif one.ending == one.ended:  # else nothing was promised
                lost.extend(await _lost_of_tokens(wire, one))
        wire.close()

    await asyncio.gather(*(check_some(promised) for _ in range(_ABREAST)))
    return lost


async def _lost_of_program(wire: Wire, program: Program) -> list[str]:
    """Use the secrets of a program, and introspect its keys and tokens."""
    lost = []
    try:
        for secret in (*program.secrets, *program.former_secrets):
            asked = await _asked(wire, program, secret, grant_type="client_credentials")
            if secret.ending == secret.ended and (asked.status == 200) == secret.ended:
                says = "removed" if secret.ended else "valid"
                lost.append(f"a {says} secret of program {program.id} got {asked.status}")
        newest = program.secrets[-1]
        for given in (*program.keys, *program.tokens):
            if given.ending != given.ended or given.stale_at < time.monotonic():
                continue
            told = await _asked(wire, program, newest, token=given.text)
            if told.status != 200 or told.json()["active"] == given.ended:
                state = "dead" if given.ended else "live"
                what = "key" if given in program.keys else "token"
                lost.append(f"a {state} {what} of program {program.id}: {told.body!r:.80}")
    except Unanswered as unanswered:
        lost.append(f"program {program.id} could not be checked: {unanswered.how}")
    return lost


async def _asked(wire: Wire, program: Program, secret: Credential, **form: str) -> Answer:
    place = "introspect" if "token" in form else "token"
    client = (program.id, secret.text)
    return await wire.ask("POST", f"/oauth2/{place}", form=form, client=client)


async def _lost_of_tokens(wire: Wire, session: Session) -> list[str]:
    """Ask with the last tokens that were given: of a live session they serve, of an ended not."""
    try:
        me = await wire.ask("GET", "/me", token=session.access_token)
        refreshed = await wire.ask("POST", "/refresh", body={"token": session.refresh_token})
    except Unanswered as unanswered:
        return [f"session {session.id} could not be checked: {unanswered.how}"]
    state, allowed = ("ended", {(401, 401)}) if session.ended else ("live", {(200, 200)})
    # A change of role, or its age, ends an access token and not the session.
    if not session.ended and (session.account.changes_asked or session.stale_at < time.monotonic()):
        allowed.add((401, 200))
    seen = (me.status, refreshed.status)
    return [] if seen in allowed else [f"the tokens of {state} session {session.id} got {seen}"]
