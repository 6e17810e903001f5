"""A job with a text, a handler for it, and its state in the database."""

from typing import Any

from tests.fixtures.waiting import until

from keyfob.core.database import Database
from keyfob.core.encryption import CannotDecrypt
from keyfob.outbox.models import Job, StoredJob
from keyfob.outbox.running import OutboxRunner
from keyfob.outbox.service import Outbox


class Hand:
    """A handler that records its jobs, and ends as prepared."""

    def __init__(self, *endings: Exception | None) -> None:
        self.jobs: list[Job] = []
        self.endings = list(endings)

    async def __call__(self, job: Job) -> None:
        self.jobs.append(job)
        ending = self.endings.pop(0) if self.endings else None
        if ending is not None:
            raise ending

    @property
    def said(self) -> list[Any]:
        return [job.payload["say"] for job in self.jobs]


async def add(outbox: Outbox, say: object = "hello", **more: Any) -> None:
    async with outbox.db.begin() as tx:
        await outbox.add(tx, "talk", {"say": say}, **more)


async def list_rows(outbox: Outbox) -> list[dict[str, Any]]:
    """Return the jobs, oldest first, with what their payloads say; None if it is unreadable."""
    found = []
    for row in await outbox.db.fetch("SELECT * FROM outbox ORDER BY created_at, id"):
        job = StoredJob(**row)
        try:
            payload = outbox.open(job)
        except CannotDecrypt:
            payload = None
        found.append({**job._asdict(), "payload": payload})
    return found


async def left(db: Database) -> int:
    count: int = await db.fetchval("SELECT count(*) FROM outbox")
    return count


async def gone(db: Database) -> None:
    async def empty() -> bool:
        return await left(db) == 0

    await until(empty)


async def row(db: Database) -> Any:
    return await db.fetchrow("SELECT * FROM outbox")


async def failed(db: Database, runner: OutboxRunner, times: int) -> None:
    async def so_often() -> bool:
        found = await row(db)
        return found["attempts"] == times and found["last_error"] is not None

    runner.wake()
    await until(so_often)
