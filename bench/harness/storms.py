"""A storm of logins, and who has to work on in it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bench.harness.arrivals import Told
from bench.harness.crew import Crew
from bench.harness.load import Result

TIMES_CAPACITY = 2.0
PERCENTILES = (50, 75, 90, 95, 99, 99.9, 99.99)
_UNTIL_AT_ITS_HEIGHT = 4.0  # longer than the queue's budget

T = TypeVar("T")


def storm(
    working: Crew, count: int, logins: Crew, capacity: float, seconds: float
) -> tuple[Result, Told]:
    """Let logins arrive at twice the capacity; at the storm's height, let the others work.

    Args:
        working: who works in the storm, prepared.
        count: how many of them.
        logins: who signs in, gathered.
        capacity: how many logins a second the server can do.
        seconds: for how long they work; the storm begins before and ends with them.

    Returns:
        what those who worked saw, and what the logins were told.
    """
    rate = TIMES_CAPACITY * capacity
    return beside(lambda lasting: logins.arrive(rate, lasting), working, count, seconds)


def beside(
    others: Callable[[float], T],
    working: Crew,
    count: int,
    seconds: float,
    *,
    until_at_height: float = _UNTIL_AT_ITS_HEIGHT,
) -> tuple[Result, T]:
    """Let others begin, and at their height let the first `count` of a crew work.

    Args:
        others: what they do, for so many seconds; they end with those who work.
        working: prepared, as the others have to be: what getting ready costs is not measured.

    Returns:
        what those who worked saw, and what the others saw.
    """
    with ThreadPoolExecutor(1) as thread:
        seen = thread.submit(others, until_at_height + seconds)
        time.sleep(until_at_height)
        worked = working.run(count, seconds)
        return worked, seen.result()
