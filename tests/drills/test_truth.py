"""A promise that does not hold is found, in the database or over HTTP; so is what is half there."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from drills.harness.crowd import crowd
from drills.harness.instances import running
from drills.harness.ledger import Credential, Ledger, Program, Session
from drills.harness.truth import lost_promises

pytestmark = pytest.mark.slow


@dataclass
class Kept:
    """A ledger whose every promise holds, until a test breaks one."""

    ledger: Ledger
    dsn: str
    port: int

    def sessions(self, *, ended: bool = False) -> list[Session]:
        """Return the intact sessions of users whom no administrator changes."""
        return [
            session
            for account in self.ledger.accounts
            if not account.changes_asked and account.roles == ["user"]
            for session in account.sessions
            if session.ended == session.ending == ended and session.id
        ]

    def programs(self) -> list[Program]:
        """Return the programs with a secret and a live token."""
        return [one for one in self.ledger.programs if one.secrets and one.live_tokens]

    def is_complete(self) -> bool:
        """Tell whether each kind of promise is there to be broken."""
        return all((self.sessions(), self.sessions(ended=True), self.programs()))

    async def lost(self) -> list[str]:
        return await lost_promises(self.ledger, self.dsn, self.port)

    async def lost_after(self, query: str, *args: object) -> str:
        """Change the database behind the service's back; return the reported losses."""
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(query, *args)
        finally:
            await connection.close()
        return "\n".join(await self.lost())


@pytest.fixture
async def kept(empty_dsn: str) -> AsyncIterator[Kept]:
    async with running(empty_dsn) as server:
        kept = Kept(Ledger(), empty_dsn, server.port)
        # Asked of a crowd that has stopped: the last step of each may end what was seen before it.
        while not kept.is_complete():
            async with crowd(kept.ledger, [server.port], 7) as people:
                await people.acknowledged(60)
                await people.until(kept.is_complete)
        yield kept


async def test_every_broken_promise_is_found(kept: Kept) -> None:
    assert await kept.lost() == []
    live, ended = kept.sessions()[0], kept.sessions(ended=True)[0]

    live.generation += 10
    assert f"{live.id} went back to generation" in "\n".join(await kept.lost())
    live.generation -= 10

    promised = live.account.roles
    live.account.roles = ["admin"]
    assert "is user, and was promised ['admin']" in "\n".join(await kept.lost())
    live.account.roles = promised

    said = await kept.lost_after("UPDATE sessions SET ended_at = NULL WHERE id = $1", ended.id)
    assert f"session {ended.id} lives on" in said
    assert f"the tokens of ended session {ended.id} got (401, 200)" in said

    said = await kept.lost_after(
        "UPDATE sessions SET ended_at = now(), end_reason = 'reuse' WHERE id = $1", live.id
    )
    assert f"session {live.id} was ended by nobody: reuse" in said
    assert f"the tokens of live session {live.id} got" in said
    assert "ended sessions that are not revoked" in said

    said = await kept.lost_after("DELETE FROM sessions WHERE id = $1", live.id)
    assert f"session {live.id} is gone" in said

    said = await kept.lost_after("DELETE FROM users WHERE id = $1", live.account.id)
    assert f"account {live.account.email} is gone" in said


async def test_every_broken_promise_to_a_program_is_found(kept: Kept) -> None:
    program = kept.programs()[0]
    token, secret = program.live_tokens[-1], program.secrets[-1]
    assert await kept.lost() == []

    token.ending = token.ended = True
    assert f"a dead token of program {program.id}" in "\n".join(await kept.lost())
    token.ending = token.ended = False

    dead = Credential("kfk_" + "0" * 49)
    program.keys.append(dead)
    assert f"a live key of program {program.id}" in "\n".join(await kept.lost())
    program.keys.remove(dead)

    program.former_secrets.append(Credential(secret.text, ending=True, ended=True))
    assert f"a removed secret of program {program.id} got 200" in "\n".join(await kept.lost())
    program.former_secrets.pop()

    said = await kept.lost_after("DELETE FROM clients WHERE id = $1::text::uuid", program.id)
    assert f"program {program.id} is gone" in said


HALF_THERE = {
    "tallies that do not count": """
        UPDATE user_tallies SET amount = amount + 1 WHERE role = 'user'
    """,
    "users without the event of their making": """
        DELETE FROM audit_events WHERE action = 'user.registered'
    """,
    "clients without the event of their making": """
        DELETE FROM audit_events WHERE action = 'client.created'
    """,
    "sessions without their sign-in": "DELETE FROM login_events",
    "x@x.com asked for by nobody": """
        INSERT INTO users (id, email, email_normal, created_at, updated_at)
        VALUES (gen_random_uuid(), 'x@x.com', 'x@x.com', now(), now())
    """,
}


async def test_what_is_half_there_is_found(kept: Kept) -> None:
    for finding, query in HALF_THERE.items():
        assert finding not in "\n".join(await kept.lost())
        assert finding in await kept.lost_after(query)
