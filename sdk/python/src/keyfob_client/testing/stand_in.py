"""The parts that a verifier gets in a test: no thread, no network, and the rules as they are."""

import os
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from keyfob_client.errors import Unavailable
from keyfob_client.judging import RestsOn
from keyfob_client.revocations.document import Entry
from keyfob_client.revocations.held import Held

T = TypeVar("T")


class Revocations:
    """The revocations of a test, known to its verifiers at once."""

    def __init__(self) -> None:
        self._held = Held()

    def check(self) -> None:
        """Do nothing: they are always known."""

    def kills(self, rests_on: RestsOn) -> bool:
        """Tell whether a token that rests on these is revoked."""
        return self._held.kills(rests_on)

    def add(self, of: str, generation: int, until: int) -> None:
        """Revoke what rests on an id, up to a generation."""
        self._held.add([Entry(of, generation, until)])


class Outage(Protocol):
    """Tells whether Keyfob is away."""

    is_away: bool


class StandInEngine:
    """Has the place of a verifier's `Engine`; it is its own background, which never waits."""

    def __init__(self, outage: Outage) -> None:
        self._outage = outage

    @property
    def pid(self) -> int:
        """The process it is asked in, which a fork changes."""
        return os.getpid()

    @property
    def background(self) -> "StandInEngine":
        """The runner of what `find` returns."""
        return self

    @property
    def is_ready(self) -> bool:
        """False while Keyfob is away."""
        return not self._outage.is_away

    def recall(self, token: str) -> str:
        """Return the token itself: there are no API keys here."""
        return token

    async def find(self, token: str) -> str:
        """Return the token itself.

        Raises:
            Unavailable: Keyfob is away.
        """
        if self._outage.is_away:
            raise Unavailable("keys_not_fetched")
        return token

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to its end what never waits."""
        try:
            coroutine.send(None)
        except StopIteration as done:
            found: T = done.value
            return found
        raise RuntimeError("a stand-in has nothing to wait for")

    async def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it, likewise."""
        return await coroutine
