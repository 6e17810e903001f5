"""Readiness: everything that requests need was tried a moment ago, and worked."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.outages import Outages
from keyfob.health.schema import judge_schema

# In seconds.
_ANSWER_WITHIN = 2.0

Trial = Callable[[], Awaitable[object]]
Fault = BaseException | str | None


class Health:
    """Checks the parts of the service.

    Anybody may ask at any rate: each worker repeats the checks only after some time. After a
    failure they are repeated sooner, so that a repair is noticed.

    Args:
        db: the database.
        feed: the feed of revocations.
        trials: further checks, by the name of the part. Each raises if the part does not work.
        well_for: the seconds for which a result is reused if all parts work.
        unwell_for: the seconds for which it is reused if a part does not.
    """

    def __init__(
        self,
        db: Database,
        feed: Feed,
        trials: Mapping[str, Trial],
        *,
        well_for: float = 1.0,
        unwell_for: float = 0.2,
    ) -> None:
        self.well_for = well_for
        self.unwell_for = unwell_for
        self._db = db
        self._feed = feed
        self._trials = trials
        self._outages = Outages()
        self._faults: dict[str, Fault] = {}
        self._known_until = 0.0
        self._asking = asyncio.Lock()

    async def check(self) -> Mapping[str, bool]:
        """Return for each part whether it works; never raises. The log says why a part does not."""
        async with self._asking:
            if time.monotonic() >= self._known_until:
                self._faults = await self.ask()
                lasts = self.unwell_for if any(self._faults.values()) else self.well_for
                self._known_until = time.monotonic() + lasts
        feed = None if self._feed.is_live else self._feed.fault
        faults = {**self._faults, "revocation_feed": feed}
        for part, fault in faults.items():
            if fault is not None:
                self._outages.tell_part(part, fault)
        return {part: fault is None for part, fault in faults.items()}

    async def ask(self) -> dict[str, Fault]:
        """Try all parts except the feed now; return the fault of each part, None if it works."""
        trials = {"database": self._judge_schema, **self._trials}
        faults = await asyncio.gather(*map(_fault_of, trials.values()))
        found: dict[str, Fault] = dict(zip(trials, faults, strict=True))
        if isinstance(found["database"], _WrongSchema):
            return {**found, "database": None, "migrations": str(found["database"])}
        return {**found, "migrations": found["database"]}

    async def _judge_schema(self) -> None:
        schema = await judge_schema(self._db)
        if not schema.is_well:
            raise _WrongSchema(schema.says)


class _WrongSchema(Exception):
    """The database answers, but this release cannot run on its schema."""


async def _fault_of(trial: Trial) -> Fault:
    """Run a check, and return the exception that it raised."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            await trial()
    except Exception as fault:  # noqa: BLE001 - any exception means that the part does not work
        return fault
    return None
