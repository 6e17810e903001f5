"""A release upgraded and taken back under load, old and new side by side."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from bench.harness.cluster import temporary
from bench.harness.servers import environment_of

from drills.harness.crowd import Size, crowd
from drills.harness.judging import Story
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.harness.variants import ALEMBIC, next_release, started, variant
from keyfob.migrations.head import HEAD

_VERSIONS = Path(__file__).parent.parent / "versions"

# Seconds that a backup holds its locks beside a migration: it must try several times.
_BACKUP = 3.0


async def upgrade(size: Size) -> Outcome:
    """A new release with two migrations joins two instances of the old one, serves, and goes back.

    The new one migrates at its start: columns with defaults on users and sessions, an index built
    beside readers and writers. The three serve side by side. Then the new one stops, and
    `alembic downgrade -1` takes back the index and then the columns. Beside the first migration
    and the last, a backup holds its locks on every table. No request fails.
    """
    story = Story("upgraded and went back under load", size, may_refuse=False, must_refuse=False)
    share = size.requests // 6
    with tempfile.TemporaryDirectory(prefix="keyfob-next-") as folder, temporary() as cluster:
        dsn = cluster.dsn()
        new, head = next_release(Path(folder), *sorted(_VERSIONS.glob("[0-9]*.py")))
        path = {"PYTHONPATH": str(new / "src")}
        async with variant(dsn) as one, variant(dsn) as two:
            async with crowd(story.ledger, [one.port, two.port], size.clients) as people:
                await people.acknowledged(share)
                story.faults_at.append(time.monotonic())
                async with _backup(dsn), variant(dsn, environment=path) as three:
                    story.notes.append(f"the new release served after {three.started_in:.1f} s")
                    async with crowd(story.ledger, [three.port], size.clients // 2):
                        await people.acknowledged(2 * share)
                        story.unexpected += await _revision_is_not(dsn, head)
                    await people.acknowledged(share)
                story.faults_at.append(time.monotonic())
                story.unexpected += await _alembic(new, dsn, "downgrade", "-1")
                async with _backup(dsn):
                    story.unexpected += await _alembic(new, dsn, "downgrade", "-1")
                story.unexpected += await _revision_is_not(dsn, HEAD)
                await people.acknowledged(2 * share)
            lost = await lost_promises(story.ledger, dsn, two.port)
    return story.outcome(lost)


async def _alembic(release: Path, dsn: str, *arguments: str) -> list[str]:
    """Run Alembic from a release's folder, as an operator does; return its complaint."""
    environment = environment_of(dsn) | {"PYTHONPATH": str(release / "src")}
    done = await started(environment, *ALEMBIC, *arguments, folder=release)
    said = done.stderr.strip().splitlines() or [""]
    return [f"alembic {' '.join(arguments)}: {said[-1]}"] if done.returncode else []


async def _revision_is_not(dsn: str, wanted: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    found = await connection.fetchval("SELECT version_num FROM alembic_version")
    await connection.close()
    return [] if found == wanted else [f"the schema is at {found}, not {wanted}"]


@asynccontextmanager
async def _backup(dsn: str) -> AsyncIterator[None]:
    """Hold for some seconds the locks that pg_dump holds from its beginning to its end."""

    async def hold() -> None:
        connection = await asyncpg.connect(dsn)
        async with connection.transaction(isolation="repeatable_read"):
            for table in ("users", "sessions", "revocations", "attempts", "audit_events"):
                await connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
            await connection.fetchval("SELECT count(*) FROM users")
            await asyncio.sleep(_BACKUP)
        await connection.close()

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0.1)
    try:
        yield
    finally:
        await holding
