"""Doing one job, and recording its result."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import structlog

from keyfob.core.database import Tx
from keyfob.core.encryption import CannotDecrypt, UnknownKey
from keyfob.core.problems import Problem
from keyfob.outbox import queries
from keyfob.outbox.errors import DoneElsewhere, GiveUp, TryAgain
from keyfob.outbox.lanes import Lane
from keyfob.outbox.models import PAUSES, SLOW, Job, StoredJob
from keyfob.outbox.service import Outbox

log = structlog.get_logger("keyfob.outbox")

# Longer than any handler waits for other systems: its own time-outs end it before.
_LONGEST_SECONDS = 900.0


@dataclass(frozen=True)
class Doing:
    """One job of the outbox that this worker is doing.

    `pause`: the seconds between two attempts to record the result.
    """

    outbox: Outbox
    stored: StoredJob
    lane: Lane
    pause: float = 1.0

    @property
    def kind(self) -> str:
        """The kind of the job, without the mark of slow jobs."""
        return self.stored.kind.removesuffix(SLOW)

    async def run(self) -> str:
        """Do the job; return the result: done, elsewhere, retried, dead or expired."""
        if self._expires_before(self.outbox.clock.now()):
            return await self._drop()
        if self.stored.attempts > len(PAUSES) + 1:
            return await self._bury("its worker was killed each time")
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await self.outbox.handlers[self.kind](self._job())
        except DoneElsewhere:
            return "elsewhere"
        except (GiveUp, CannotDecrypt) as fault:
            self.lane.open()
            return await self._bury(str(fault))
        except Exception as fault:  # noqa: BLE001 - any exception: the job must not be lost
            return await self._postpone(self._named(fault))
        self.lane.open()
        await self._settle(queries.delete_job, self.stored.id)
        return "done"

    def _job(self) -> Job:
        stored = self.stored

        async def finish(tx: Tx) -> None:
            if not await queries.delete_job(tx, stored.id):
                raise DoneElsewhere

        return Job(
            stored.id,
            self.kind,
            self._payload(),
            stored.user_id,
            stored.attempts,
            stored.kind != self.kind,
            stored.created_at,
            stored.expires_at,
            finish,
        )

    def _payload(self) -> dict[str, Any]:
        try:
            return self.outbox.open(self.stored)
        except UnknownKey as fault:  # an instance that has the key may take it
            raise TryAgain(str(fault)) from None

    def _named(self, fault: Exception) -> TryAgain:
        """Describe a fault without an address or a secret, which its own text may contain."""
        if isinstance(fault, TryAgain):
            if fault.for_all:
                self.lane.close(self.outbox.clock.now())
            else:  # the other system answers, and refuses this job only
                self.lane.open()
            return fault
        if isinstance(fault, Problem):
            return TryAgain(fault.code)
        if isinstance(fault, asyncpg.ForeignKeyViolationError):  # the account is gone
            return TryAgain("an account went meanwhile")
        log.error("outbox_job_failed", job=str(self.stored.id), exc_info=fault)
        return TryAgain(f"a fault of ours: {type(fault).__name__}")

    async def _postpone(self, fault: TryAgain) -> str:
        attempts, reason = self.stored.attempts, fault.reason
        if fault.until is not None:
            return await self._put_off(fault.until, reason)
        if attempts > len(PAUSES):
            return await self._bury(reason)
        due_at = self.outbox.clock.now() + PAUSES[attempts - 1]
        if self._expires_before(due_at):
            return await self._drop(reason)
        self._tell("outbox_job_postponed", reason=reason, due_at=due_at.isoformat())
        kind = self.kind + SLOW if fault.slow else self.stored.kind
        await self._settle(queries.postpone, self.stored.id, attempts, due_at, reason, kind)
        return "retried"

    async def _put_off(self, until: datetime, reason: str) -> str:
        """Put a job back that was not tried, as if nobody had taken it."""
        if self._expires_before(until):
            return await self._drop(reason)
        self._tell("outbox_job_postponed", reason=reason, due_at=until.isoformat())
        await self._settle(queries.put_off, self.stored.id, self.stored.attempts, until, reason)
        return "retried"

    async def _bury(self, reason: str) -> str:
        self._tell("outbox_job_dead", reason=reason)
        now = self.outbox.clock.now()
        await self._settle(queries.bury, self.stored.id, self.stored.attempts, now, reason)
        return "dead"

    async def _drop(self, reason: str | None = None) -> str:
        self._tell("outbox_job_expired", reason=reason or self.stored.last_error)
        await self._settle(queries.delete_job, self.stored.id)
        return "expired"

    def _tell(self, event: str, **more: Any) -> None:
        stored = self.stored
        log.warning(event, kind=self.kind, job=str(stored.id), attempts=stored.attempts, **more)

    def _expires_before(self, moment: datetime) -> bool:
        expires_at = self.stored.expires_at
        return expires_at is not None and expires_at <= moment

    async def _settle(self, statement: Callable[..., Awaitable[object]], *values: Any) -> None:
        """Record the result, however long the database is down: a sent mail must not be sent again.

        Meanwhile the job belongs to this worker (`OutboxRunner`), which does not start it again.
        """
        while True:
            try:
                await statement(self.outbox.db, *values)
            except Problem:
                await asyncio.sleep(self.pause)
            else:
                return
