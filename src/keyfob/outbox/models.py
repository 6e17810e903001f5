"""What is to be done because of a change."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from keyfob.core.database import Tx

# What is not done is tried again after these pauses: for two days, and then no more.
PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, *[7200] * 23)
)

# What a kind is called in the outbox where the job took too long: it has a lane of its own.
SLOW = ".slow"


class StoredJob(NamedTuple):
    """A job at rest, its payload sealed; a dead letter since `failed_at`, if that is there."""

    id: UUID
    kind: str
    user_id: UUID | None
    payload: bytes
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None
    attempts: int
    failed_at: datetime | None
    last_error: str | None


class Amounts(NamedTuple):
    """How many jobs wait, and how many are dead letters."""

    waiting: int
    dead: int


@dataclass(frozen=True)
class Job:
    """One thing to do.

    A handler whose work is in this database calls `finish(tx)` in the transaction of that work:
    then both happen, once, or neither. One that speaks to the world outside just returns.

    Args:
        attempts: which try this is, from 1.
        is_slow: a try before took too long; now there is time, and nobody else waits for it.
        finish: takes the job out of the outbox. Raises `DoneElsewhere` where another worker did.
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
