"""A storm of logins, and who has to work on in it."""

import time
from concurrent.futures import ThreadPoolExecutor

from bench.harness.arrivals import Told
from bench.harness.crew import Crew
from bench.harness.load import Result

TIMES_CAPACITY = 2.0
PERCENTILES = (50, 75, 90, 95, 99, 99.9, 99.99)
_UNTIL_AT_ITS_HEIGHT = 4.0  # longer than the queue's budget


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
    lasting = seconds + _UNTIL_AT_ITS_HEIGHT
    with ThreadPoolExecutor(1) as beside:
        told = beside.submit(logins.arrive, TIMES_CAPACITY * capacity, lasting)
        time.sleep(_UNTIL_AT_ITS_HEIGHT)
        worked = working.run(count, seconds)
        return worked, told.result()
