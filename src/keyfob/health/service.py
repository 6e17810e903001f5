"""What readiness means: what requests need was tried, a moment ago at most, and could be done."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.outages import Outages
from keyfob.health.schema import judge_schema

# Seconds.
_ANSWER_WITHIN = 2.0

Trial = Callable[[], Awaitable[object]]
Fault = BaseException | str | None


class Health:
    """Asks the parts: each is True where it is well.

    Anybody may ask, as often as they like: each worker tries so often at most. What is not well is
    tried again soon, so that a mend is seen.

    Args:
        db: the database.
        feed: what tells of revocations.
        trials: what is tried besides, by the name of its part. Each raises where it cannot be done.
        well_for: seconds for which what was found is believed, where all is well.
        unwell_for: the same, where something is not.
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
        """Return how the parts are; never raises. Why one is not well is in the log."""
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
        """Try what does not need the feed, now; return why each part is not well, None if it is."""
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
    """The database answers, and its schema is none that this release runs on."""


async def _fault_of(trial: Trial) -> Fault:
    """Try something, and return what was raised."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            await trial()
    except Exception as fault:  # noqa: BLE001 - whatever it is, that part is not well
        return fault
    return None
