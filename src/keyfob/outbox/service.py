"""The outbox: jobs are written in the transaction that causes them, and done once after it.

    await outbox.add(tx, "mail", {...})        # in the transaction of the change
    Room(jobs={"mail": deliver})               # in `room.py`; `outbox.running` calls it

Payloads are encrypted: they contain addresses and links.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Gauge

from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.encryption import KEY_ID_BYTES, Box, CannotDecrypt
from keyfob.core.secrets import new_id
from keyfob.core.telemetry import mask_email
from keyfob.outbox import queries
from keyfob.outbox.models import Amounts, Handler, ShownJob, StoredJob

OUTBOX_WAITING = Gauge(
    "keyfob_outbox_waiting", "Jobs that are not done yet.", multiprocess_mode="livemax"
)
OUTBOX_DEAD = Gauge(
    "keyfob_outbox_dead", "Dead letters: jobs given up.", multiprocess_mode="livemax"
)

_KEPT = timedelta(days=30)
_MOST_LISTED = 10_000
# In one transaction, which may hold what every audited change waits for.
MOST_RETRIED = 100


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """Jobs that wait in the database for any worker."""

    db: Database
    box: Box
    clock: Clock
    handlers: dict[str, Handler] = field(default_factory=dict)

    async def add(
        self,
        tx: Executor,
        kind: str,
        payload: Mapping[str, Any],
        *,
        user_id: UUID | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """Write a job in the caller's transaction; one round trip.

        Args:
            tx: the transaction of the change that causes the job.
            kind: the name of its handler, such as "mail".
            payload: values that JSON can represent.
            user_id: the account that it is about; the job is deleted with the account.
            expires_at: the time after which the job is useless, and dropped.
        """
        await queries.insert_job(tx, self._new(kind, payload, user_id, expires_at))

    async def add_all(
        self,
        tx: Executor,
        kind: str,
        payloads: Sequence[Mapping[str, Any]],
        *,
        expires_at: datetime | None = None,
    ) -> None:
        """Write jobs that belong to no account, in one round trip; see `add`."""
        if payloads:
            jobs = [self._new(kind, payload, None, expires_at) for payload in payloads]
            await queries.insert_jobs(tx, jobs)

    def _new(
        self,
        kind: str,
        payload: Mapping[str, Any],
        user_id: UUID | None,
        expires_at: datetime | None,
    ) -> StoredJob:
        now = self.clock.now()
        job_id = new_id(now)
        return StoredJob(
            id=job_id,
            kind=kind,
            user_id=user_id,
            payload=self.box.seal(json.dumps(payload).encode(), job_id.bytes),
            created_at=now,
            due_at=now,
            expires_at=expires_at,
        )

    def handle(self, kind: str, handler: Handler) -> None:
        """Set the handler of the jobs of a kind.

        If it returns, the job is done. After `TryAgain` the job is retried later, after `GiveUp` it
        becomes a dead letter, and any other exception is logged and retried, too. A handler may run
        twice if a worker was killed, unless it calls `job.finish(tx)`.
        """
        self.handlers[kind] = handler

    def open(self, job: StoredJob) -> dict[str, Any]:
        """Return the decrypted payload of a job.

        Raises:
            CannotDecrypt: no key of KEYFOB_SECRET_KEY can decrypt it.
        """
        payload: dict[str, Any] = json.loads(self.box.open(job.payload, job.id.bytes))
        return payload

    async def list_shown(
        self, *, failed_only: bool = False, limit: int = _MOST_LISTED
    ) -> list[ShownJob]:
        """Return waiting jobs and dead letters, oldest first."""
        jobs = await queries.list_jobs(self.db, failed_only=failed_only, limit=limit)
        return [self._shown(job) for job in jobs]

    async def count_jobs(self) -> Amounts:
        """Return the number of waiting jobs and of dead letters."""
        return await queries.count_jobs(self.db)

    async def retry(
        self,
        ids: Sequence[UUID] | None = None,
        db: "Executor | None" = None,
        *,
        before: datetime | None = None,
    ) -> list[UUID]:
        """Make dead letters due again, `MOST_RETRIED` at once; return their ids.

        Without ids any, and with `before` only those that were dead then. Expired ones stay dead,
        as their links are.
        """
        before = before or self.clock.now()
        return await queries.revive(db or self.db, ids, before=before, most=MOST_RETRIED)

    async def drop(self, tx: Tx, job_id: UUID) -> ShownJob | None:
        """Delete a dead letter, and return it; None if there is none with that id."""
        job = await queries.delete_dead_letter(tx, job_id)
        return self._shown(job) if job else None

    async def delete_old(self) -> None:
        """Delete dead letters after 30 days."""
        await queries.delete_dead(self.db, self.clock.now() - _KEPT)

    async def measure(self) -> None:
        """Set the gauges of waiting jobs and dead letters."""
        counts = await self.count_jobs()
        OUTBOX_WAITING.set(counts.waiting)
        OUTBOX_DEAD.set(counts.dead)

    async def count_sealed(self, *, waiting_only: bool = False) -> Counter[int | None]:
        """Return the number of payloads that each key encrypted, by its place in the keyring.

        Args:
            waiting_only: whether to leave out dead letters.
        """
        rows = await queries.count_by_key(self.db, KEY_ID_BYTES, waiting_only=waiting_only)
        return self.box.ring.count_by_place(rows)

    def _shown(self, job: StoredJob) -> ShownJob:
        try:
            payload = self.open(job)
        except CannotDecrypt:
            payload = {}
        to = payload.get("to") or {}
        is_dead = job.failed_at is not None
        return ShownJob(
            id=job.id,
            what=payload.get("template", job.kind),
            to=mask_email(to["address"]) if "address" in to else None,
            state="failed" if is_dead else "waiting",
            attempts=job.attempts,
            created_at=job.created_at,
            due_at=None if is_dead else job.due_at,
            failed_at=job.failed_at,
            expires_at=job.expires_at,
            last_error=job.last_error,
        )
