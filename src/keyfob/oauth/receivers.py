"""Apps that are being told something, so that one that is away holds nobody else up."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from keyfob.core.clock import Clock
from keyfob.core.secrets import random_bytes
from keyfob.outbox.errors import TryAgain

_SLOW_SECONDS = 1.0
_MOST_SLOW = 2
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)


class Away(Exception):
    """The app could not be reached; the message is for the log."""


@dataclass
class _Receiver:
    begun: list[float] = field(default_factory=list)
    failures: int = 0
    closed_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Receivers:
    """Lets one call at a time find out whether an app that was away is back, after growing pauses.

    Calls that have no chance are put off without a try, until it may have been found out, and up to
    as long again, so that they do not come all at once. Threat: an app that does not answer, and
    has many users, would hold all connections for the time-outs of its own calls.
    """

    clock: Clock
    _known: dict[UUID, _Receiver] = field(default_factory=dict)

    @contextmanager
    def call(self, client_id: UUID) -> Iterator[None]:
        """Call an app within; an `Away` counts as a failure of the app, and becomes `TryAgain`.

        Raises:
            TryAgain: it was away a moment ago, or is slow and has calls enough, or is away now.
        """
        receiver = self._known.setdefault(client_id, _Receiver())
        self._ensure_open(receiver)
        failures, began = receiver.failures, asyncio.get_running_loop().time()
        receiver.begun.append(began)
        try:
            yield
        except Away as fault:
            receiver.failures = failures + 1  # those that fail together count once
            receiver.closed_until = self.clock.now() + _pause_after(receiver.failures)
            raise TryAgain(str(fault)) from None
        else:
            receiver.failures, receiver.closed_until = 0, None
        finally:
            receiver.begun.remove(began)
            if not receiver.begun and not receiver.failures:
                self._known.pop(client_id, None)

    def _ensure_open(self, receiver: _Receiver) -> None:
        now, tick = self.clock.now(), asyncio.get_running_loop().time()
        slow = sum(tick - began > _SLOW_SECONDS for began in receiver.begun)
        is_closed = receiver.closed_until is not None and now < receiver.closed_until
        if is_closed or slow >= _MOST_SLOW:
            until = receiver.closed_until if receiver.closed_until and is_closed else None
            until = _spread(now, until or now + _FIRST_PAUSE)
            raise TryAgain("the app does not answer; this was not tried", until=until)
        if receiver.failures:  # this one finds out, and nobody else meanwhile
            receiver.closed_until = now + _pause_after(receiver.failures)


def _spread(now: datetime, until: datetime) -> datetime:
    """Return a moment after `until`, by chance up to as long again, and at least some seconds."""
    part = int.from_bytes(random_bytes(2)) / 2**16
    return until + max(until - now, _FIRST_PAUSE) * part


def _pause_after(failures: int) -> timedelta:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(failures - 1, 10)))
