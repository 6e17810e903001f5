"""A crowd in a closed loop: everybody's next request comes after the last one's answer."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from drills.harness.ledger import Account, Ledger
from drills.harness.people import Administrator, Person, Visitor, first_administrator
from drills.harness.programs import Operator
from drills.harness.wire import Wire

# Seconds that a client waits after a request that did not succeed. Shorter than the Retry-After
# that it was told, so that the moment of recovery is seen.
PAUSE = 0.1

# Of so many clients, one is an administrator, and one operates a program.
_EACH = 6
_OPERATOR = 3


@dataclass(frozen=True)
class Size:
    """The duration and the number of clients of a drill; times in seconds."""

    clients: int
    requests: int  # to be acknowledged, half before the fault and half after it
    fault_seconds: float
    after_seconds: float  # to go on when all is well again: it must stay so
    acquire_timeout: float  # of the service, for a connection to the database
    command_timeout: float  # and for an answer from it

    @property
    def timeouts(self) -> dict[str, object]:
        """The settings of the service that bound its waits."""
        return {
            "DATABASE_ACQUIRE_TIMEOUT": self.acquire_timeout,
            "DATABASE_COMMAND_TIMEOUT": self.command_timeout,
        }

    @property
    def longest_refusal(self) -> float:
        """Seconds that one refusal may take: both waits, and some for the machine."""
        return self.acquire_timeout + self.command_timeout + 1.0


# With the time-outs of the settings' defaults; a black hole lasts longer than a client's patience.
FULL = Size(16, 1000, 9.0, 6.0, 2.0, 5.0)
QUICK = Size(8, 120, 1.0, 0.0, 2.0, 2.0)


class Pace:
    """The requests per second of all clients together; at first, as many as they can."""

    def __init__(self) -> None:
        self.rate = math.inf
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for one's turn. Turns that nobody could take are not made up for."""
        now = time.monotonic()
        self._next = max(self._next + 1 / self.rate, now)
        if self._next > now:
            await asyncio.sleep(self._next - now)


class Crowd:
    """Clients at work on one port or several; a client goes to the next when one refuses it."""

    def __init__(
        self, ledger: Ledger, ports: Sequence[int], clients: int, pace: Pace | None = None
    ) -> None:
        self.ledger = ledger
        self._ports = ports
        self._pace = pace or Pace()
        self._stopping = False
        self._tasks = [asyncio.create_task(self._loop(number)) for number in range(clients)]

    async def acknowledged(self, requests: int, seconds: float = 120.0) -> None:
        """Wait until so many more requests were acknowledged.

        Raises:
            TimeoutError: they were not in so many seconds.
        """
        goal = self.ledger.acknowledged + requests
        await self.until(lambda: self.ledger.acknowledged >= goal, seconds)

    async def until(self, holds: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait until something holds that the ledger tells."""
        async with asyncio.timeout(seconds):
            while not holds():
                for task in self._tasks:
                    if task.done():
                        task.result()  # a client only ends by a fault of ours
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Let everybody finish the request under way."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _loop(self, number: int) -> None:
        wires = [Wire(port) for port in self._ports]
        turn = number
        visitor = self._visitor(number, wires[turn % len(wires)])
        while not self._stopping:
            await self._pace.turn()
            if not await visitor.step():
                turn += 1
                visitor.wire = wires[turn % len(wires)]
                await asyncio.sleep(PAUSE)
        for wire in wires:
            wire.close()

    def _visitor(self, number: int, wire: Wire) -> Visitor:
        role = number % _EACH
        if role not in {0, _OPERATOR}:
            return Person(self.ledger, wire, number)
        me: Account = first_administrator()
        self.ledger.accounts.append(me)
        kind = Operator if role else Administrator
        return kind(self.ledger, wire, number, me)


@asynccontextmanager
async def crowd(
    ledger: Ledger, ports: Sequence[int], clients: int, pace: Pace | None = None
) -> AsyncIterator[Crowd]:
    """Let a crowd loose, and stop it at the end."""
    at_work = Crowd(ledger, ports, clients, pace)
    try:
        yield at_work
    finally:
        await at_work.stop()
