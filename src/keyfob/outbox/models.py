"""Jobs of the outbox."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from keyfob.core.database import Tx

# The pauses before a failed job is retried: over two days, then it is given up.
PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, *[7200] * 23)
)

# The suffix of a kind for jobs that took too long: they have a lane of their own.
SLOW = ".slow"


class StoredJob(NamedTuple):
    """A stored job, with an encrypted payload; a dead letter if `failed_at` is set."""

    id: UUID
    kind: str
    user_id: UUID | None
    payload: bytes
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None
    attempts: int = 0
    failed_at: datetime | None = None
    last_error: str | None = None


class ShownJob(NamedTuple):
    """A job as administrators see it.

    Args:
        what: the template of a mail, or the kind of the job.
        to: the address of a mail, masked; None if there is none, or no key opens the payload.
        state: "waiting", or "failed": a dead letter.
        due_at: when it is tried again, if it waits.
    """

    id: UUID
    what: str
    to: str | None
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime | None
    failed_at: datetime | None
    expires_at: datetime | None
    last_error: str | None


class Amounts(NamedTuple):
    """The number of waiting jobs and of dead letters."""

    waiting: int
    dead: int


@dataclass(frozen=True)
class Job:
    """One job to do.

    If the work of a handler is in this database, it calls `finish(tx)` in the transaction of that
    work: then both happen exactly once, or neither does. A handler that talks to other systems just
    returns.

    Args:
        attempts: the number of this attempt, from 1.
        is_slow: whether an earlier attempt took too long; now there is time, and no other job
            waits.
        finish: removes the job from the outbox. Raises `DoneElsewhere` if another worker did the
            job.
    """

    id: UUID
    kind: str
    payload: dict[str, Any]
    user_id: UUID | None
    attempts: int
    is_slow: bool
    created_at: datetime
    expires_at: datetime | None
    finish: Callable[[Tx], Awaitable[None]] = field(repr=False, compare=False)


Handler = Callable[[Job], Awaitable[None]]
