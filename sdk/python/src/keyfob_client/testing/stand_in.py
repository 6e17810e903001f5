"""The parts that a verifier gets in a test: no thread, no network, and the rules as they are."""

import os
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from keyfob_client.api_keys import is_api_key
from keyfob_client.errors import InvalidToken, Unavailable
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


class Issuer(Protocol):
    """The Keyfob that the engine stands for the way to.

    Attributes:
        is_away: whether it is not reached.
    """

    is_away: bool

    def exchange(self, key: str, resource: str) -> str | None:
        """Return an access token for an API key; None if it is not valid."""


class StandInEngine:
    """Has the place of a verifier's `Engine`; it is its own background, which never waits.

    Args:
        issuer: what it asks.
        resource: the service that API keys are exchanged for; None: they are not.
    """

    def __init__(self, issuer: Issuer, resource: str | None) -> None:
        self._issuer = issuer
        self._resource = resource

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
        return not self._issuer.is_away

    def recall(self, token: str) -> str:
        """Return the access token behind what was presented.

        Raises:
            InvalidToken: it is an API key that is not valid.
        """
        if self._resource is None or not is_api_key(token):
            return token
        found = self._issuer.exchange(token, self._resource)
        if found is None:
            raise InvalidToken("api_key_refused")
        return found

    async def find(self, token: str) -> str:
        """Return the same, if Keyfob is reached.

        Raises:
            InvalidToken: it is an API key that is not valid.
            Unavailable: Keyfob is away.
        """
        if self._issuer.is_away:
            raise Unavailable("keys_not_fetched")
        return self.recall(token)

    def forget(self, token: str) -> None:
        """Do nothing: no exchange is remembered."""

    def refuse(self, token: str) -> None:
        """Do nothing, likewise."""

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
