"""The state of the audit chain, as a console shows it: verified in the background, on demand."""

import asyncio
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from keyfob.audit import queries
from keyfob.audit.chain import Walk
from keyfob.audit.service import Audit
from keyfob.core.problems import Problem

log = structlog.get_logger("keyfob.audit")

# What was verified is verified again after this time; until then only what was added.
_ANEW_AFTER = timedelta(hours=1)

# A state is shown for so long before somebody who asks has it brought up to date.
_GOOD_FOR = timedelta(minutes=1)

# Events that are verified in one turn of the event loop: about a millisecond.
_AT_ONCE = 50


class ChainState(NamedTuple):
    """The state of the chain, as this worker knows it.

    Args:
        intact_to: the position up to which all events verify.
        broken_at: the position of the first event that does not; None if all do.
        begun_anew_at: the position at which it was last begun anew after a break, if it was.
        checked_at: the time of the last complete check; None before the first one.
        is_checking: whether a check is under way.
    """

    intact_to: int
    broken_at: int | None
    begun_anew_at: int | None
    checked_at: datetime | None
    is_checking: bool


_NOT_CHECKED = ChainState(0, None, None, None, is_checking=False)


@dataclass(kw_only=True)
class ChainWatch:
    """Verifies the chain when somebody asks for its state, a little at a time.

    Only the memory of this process is believed: whoever can change events in the database could
    change a state there, too.

    `patience`: the seconds that a question waits for a check.
    """

    audit: Audit
    patience: float = 0.5
    _walk: Walk | None = None
    _begun_at: datetime | None = None
    _state: ChainState = _NOT_CHECKED
    _task: asyncio.Task[None] | None = None

    async def state(self) -> ChainState:
        """Return the state; it is the last one if the check takes long."""
        if self._task is None and self._is_due():
            self._task = asyncio.create_task(self._check(), name="audit chain", context=Context())
        if self._task is not None:
            await asyncio.wait([self._task], timeout=self.patience)
        return self._state._replace(is_checking=self._task is not None)

    async def close(self) -> None:
        """Stop a check that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _is_due(self) -> bool:
        checked_at = self._state.checked_at
        return checked_at is None or self.audit.clock.now() - checked_at >= _GOOD_FOR

    async def _check(self) -> None:
        try:
            await self._walk_on()
        except Problem as away:
            log.warning("audit_check_postponed", cause=away.code)
        except Exception:
            log.exception("audit_check_failed")
        finally:
            self._task = None

    async def _walk_on(self) -> None:
        now = self.audit.clock.now()
        if self._walk is None or self._begun_at is None or now - self._begun_at >= _ANEW_AFTER:
            self._walk, self._begun_at = None, now
        walk = self._walk or Walk(self.audit.ring)
        db = self.audit.db
        events = (
            queries.each_event(db, batch=_AT_ONCE)
            if self._walk is None
            else queries.each_event(db, after=walk.position, batch=_AT_ONCE)
        )
        self._walk = None  # a walk that was broken off is not continued
        number = 0
        async for event in events:
            walk.step(event)
            number += 1
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        verdict, begun = walk.verdict, walk.verdict.begun_anew
        intact_to = walk.position if verdict.broken_at is None else verdict.broken_at - 1
        self._walk = walk
        self._state = ChainState(
            intact_to,
            verdict.broken_at,
            begun.position if begun else None,
            self.audit.clock.now(),
            is_checking=False,
        )
