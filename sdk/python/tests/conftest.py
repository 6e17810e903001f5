import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.feed import Feed
from tests.issuer import AUDIENCE, Issuer

from keyfob_client import Verifier
from keyfob_client.testing.plugin import keyfob

__all__ = ["keyfob"]  # which pytest would find by itself if the package were installed


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture
def feed(issuer: Issuer) -> Feed:
    return Feed(issuer)


class Clock:
    """The system's time, moved by as much as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_verifier(issuer: Issuer, clock: Clock) -> Iterator[Callable[..., Verifier]]:
    made: list[Verifier] = []

    def make(**options: Any) -> Verifier:
        given = {"audience": AUDIENCE, "clock": clock, **options}
        made.append(Verifier(given.pop("issuer", issuer.url), **given))
        return made[-1]

    yield make
    for verifier in made:
        verifier.close()


@pytest.fixture
def verifier(make_verifier: Callable[..., Verifier]) -> Verifier:
    return make_verifier()
