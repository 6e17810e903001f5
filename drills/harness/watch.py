"""Asks for signs of life while something is broken: of the process, not of what it needs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from drills.harness.ledger import Ledger
from drills.harness.wire import Break, Wire

_EVERY = 0.05

# Seconds in which a process that is well answers `/health/live`, on a machine with other work.
LONGEST_SIGN = 1.0


class Watch:
    """The answers of `/health/live` during a drill."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def complaints(self) -> list[str]:
        """Return every sign of life that did not come."""
        refused = self.ledger.refused()
        return [
            *self.ledger.complaints(),
            *self.ledger.broken(*Break),
            *([f"{refused} x live 503"] if refused else []),
            *([] if self.ledger.acknowledged else ["/health/live was never asked"]),
        ]

    def late(self) -> list[str]:
        """Return the slowest sign of life, if it was too slow."""
        slowest = self.ledger.slowest()
        return [f"/health/live took {slowest:.2f} s"] if slowest > LONGEST_SIGN else []


@asynccontextmanager
async def watch(port: int) -> AsyncIterator[Watch]:
    """Ask for a sign of life again and again."""
    watching, wire = Watch(), Wire(port)

    async def loop() -> None:
        while True:
            await watching.ledger.ask(wire, "live", ("GET", "/health/live"))
            await asyncio.sleep(_EVERY)

    task = asyncio.create_task(loop())
    try:
        yield watching
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        wire.close()
