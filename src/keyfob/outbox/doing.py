"""Doing one job, and writing down how it ended."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from asyncpg import Record

from keyfob.core.database import Tx
from keyfob.core.encryption import CannotDecrypt
from keyfob.core.problems import Problem
from keyfob.outbox import queries
from keyfob.outbox.errors import DoneElsewhere, GiveUp, TryAgain
from keyfob.outbox.lanes import Lane
from keyfob.outbox.models import PAUSES, Job
from keyfob.outbox.service import Outbox

log = structlog.get_logger("keyfob.outbox")

# Longer than any handler waits for the world outside: its own time-outs end it before.
_LONGEST_SECONDS = 900.0
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Doing:
    """One row of the outbox in this worker's hands."""

    outbox: Outbox
    row: Record
    lane: Lane

    async def run(self) -> str:
        """Do it; return how it ended: done, elsewhere, retried, dead or expired."""
        if self._expires_before(self.outbox.clock.now()):
            return await self._drop()
        if self.row["attempts"] > len(PAUSES) + 1:
            return await self._bury("its worker was killed each time")
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await self.outbox.handlers[self.row["kind"]](self._job())
        except DoneElsewhere:
            return "elsewhere"
        except (GiveUp, CannotDecrypt) as fault:
            self.lane.open()
            return await self._bury(str(fault))
        except Exception as fault:  # noqa: BLE001 - whatever it is, the job is not lost
            return await self._postpone(self._reason(fault))
        self.lane.open()
        await self._settle(queries.delete_job, self.row["id"])
        return "done"

    def _job(self) -> Job:
        row = self.row

        async def finish(tx: Tx) -> None:
            if not await queries.delete_job(tx, row["id"]):
                raise DoneElsewhere

        return Job(
            row["id"],
            row["kind"],
            self.outbox.open(row),
            row["user_id"],
            row["attempts"],
            row["created_at"],
            finish,
        )

    def _reason(self, fault: Exception) -> str:
        """Name a fault without an address or a secret, which the text of others may hold."""
        if isinstance(fault, TryAgain):
            if fault.for_all:
                self.lane.close(self.outbox.clock.now())
            return fault.reason
        if isinstance(fault, Problem):
            return fault.code
        log.error("outbox_job_failed", job=str(self.row["id"]), exc_info=fault)
        return f"a fault of ours: {type(fault).__name__}"

    async def _postpone(self, reason: str) -> str:
        attempts = self.row["attempts"]
        if attempts > len(PAUSES):
            return await self._bury(reason)
        due_at = self.outbox.clock.now() + PAUSES[attempts - 1]
        if self._expires_before(due_at):
            return await self._drop(reason)
        self._tell("outbox_job_postponed", reason=reason, due_at=due_at.isoformat())
        await self._settle(queries.postpone, self.row["id"], attempts, due_at, reason)
        return "retried"

    async def _bury(self, reason: str) -> str:
        self._tell("outbox_job_dead", reason=reason)
        now = self.outbox.clock.now()
        await self._settle(queries.bury, self.row["id"], self.row["attempts"], now, reason)
        return "dead"

    async def _drop(self, reason: str | None = None) -> str:
        self._tell("outbox_job_expired", reason=reason or self.row["last_error"])
        await self._settle(queries.delete_job, self.row["id"])
        return "expired"

    def _tell(self, event: str, **more: Any) -> None:
        row = self.row
        log.warning(event, kind=row["kind"], job=str(row["id"]), attempts=row["attempts"], **more)

    def _expires_before(self, moment: Any) -> bool:
        expires_at = self.row["expires_at"]
        return expires_at is not None and bool(expires_at <= moment)

    async def _settle(self, statement: Callable[..., Awaitable[object]], *values: Any) -> None:
        """Write down the end, however long the database is away: what was sent must not go again.

        Meanwhile the job is this worker's (`OutboxRunner`), which does not begin it anew.
        """
        while True:
            try:
                await statement(self.outbox.db, *values)
            except Problem:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return
