"""A dump of the database, loaded into an empty one and served."""

import asyncio
import time
from typing import Any

from bench.harness.cluster import USER, Cluster, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.judging import Story
from drills.harness.ledger import Account, Ledger, Session
from drills.harness.outcome import Outcome
from drills.harness.people import Visitor
from drills.harness.truth import lost_promises
from drills.harness.variants import command, variant
from drills.harness.wire import Wire


async def restored(size: Size) -> Outcome:
    """`pg_dump` of a served database, `pg_restore` into an empty one, serve with the same keys.

    Of a dump made at rest every promise holds: people sign in, sessions refresh and go on where
    they were, what was ended stays so, the audit chain verifies. Of a dump made under load, which
    refuses nobody, the same holds for whoever did nothing since; a refresh token that was used
    since is ahead of its row and refused, and its owner signs in anew.
    """
    story = Story("restored a dump into an empty database", size, must_refuse=False)
    story.may_refuse = False
    with temporary() as cluster:
        async with variant(cluster.dsn()) as server:
            async with crowd(story.ledger, [server.port], size.clients) as people:
                await people.acknowledged(size.requests // 2)
                early = [a for a in story.ledger.accounts if a.id and not a.by_admin]
                story.faults_at.append(time.monotonic())
                await _copy(cluster, "under_load")
                await people.acknowledged(size.requests // 2)
            await _copy(cluster, "at_rest")
        story.unexpected += await _of_a_dump_under_load(cluster.dsn("under_load"), early)
        async with variant(cluster.dsn("at_rest")) as server:
            lost = await lost_promises(story.ledger, cluster.dsn("at_rest"), server.port)
            lost += await _sign_in(server.port, story.ledger.accounts)
            lost += await _not_well(cluster.dsn("at_rest"))
        if await _not_well(cluster.dsn("at_rest"), SECRET_KEY="x" * 32) == []:
            story.unexpected.append("another secret key is as good as ours")
    return story.outcome(lost)


async def _copy(cluster: Cluster, database: str) -> None:
    """Dump the served database and load it into a new one, as the runbook says."""
    at = ("--host", str(cluster.folder), "--port", str(cluster.port), "--username", USER)
    dump = f"--file={cluster.folder / database}.dump"
    await asyncio.to_thread(cluster.run, "pg_dump", *at, "--format=custom", dump, "postgres")
    await asyncio.to_thread(cluster.create, database)
    await asyncio.to_thread(
        cluster.run, "pg_restore", *at, "--exit-on-error", f"--dbname={database}", dump[7:]
    )


async def _of_a_dump_under_load(dsn: str, early: list[Account]) -> list[str]:
    """Look at those who had an account before: each signs in, or was ended since."""
    async with variant(dsn) as server:
        wrong = await _sign_in(server.port, early)
        wire = Wire(server.port)
        for account in early:
            for session in account.live:
                wrong += await _go_on(wire, session)
        wire.close()
        return wrong + await _not_well(dsn)


async def _go_on(wire: Wire, session: Session) -> list[str]:
    """Present the newest refresh token: it serves, or is ahead of the dump, and ends nothing."""
    answers = [
        await wire.ask("POST", "/refresh", body={"token": session.refresh_token}) for _ in range(2)
    ]
    seen = tuple(answer.status for answer in answers)
    if seen not in {(200, 200), (401, 401)}:
        return [f"a refresh token of before got {seen}"]
    if seen == (200, 200) and answers[0].json()["refresh_token"] != _successor(answers[1]):
        return ["a restored session has two successors"]
    return []


def _successor(answer: Any) -> str:
    return str(answer.json()["refresh_token"])


async def _sign_in(port: int, accounts: list[Account]) -> list[str]:
    """Let everybody sign in who may."""
    ledger, wire = Ledger(), Wire(port)
    for account in accounts:
        if account.id and account.statuses == ["active"] and not account.deleting:
            copy = Account(account.email, account.password)
            await Visitor(ledger, wire, 0).log_in(copy)
    wire.close()
    refused = [f"a sign-in got {ask.status}" for ask in ledger.asks if not ask.acknowledged]
    return refused if ledger.asks else ["nobody could sign in"]


async def _not_well(dsn: str, **settings: object) -> list[str]:
    """Return the problems that `keyfob doctor` finds in the data."""
    try:
        findings = await command(dsn, "doctor", **settings)
    except RuntimeError as refusal:
        return [str(refusal)]
    parts = {"database", "schema", "signing keys", "audit chain"}
    seen = {finding["part"]: finding for finding in findings if finding["part"] in parts}
    wrong = [f"{part}: {seen[part]['says']}" for part in seen if not seen[part]["well"]]
    return wrong + [f"the doctor says nothing of {part}" for part in parts - seen.keys()]
