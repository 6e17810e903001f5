"""The names of time zones in the IANA database."""

import asyncio
from functools import cache
from zoneinfo import available_timezones


async def is_timezone(name: str) -> bool:
    """Tell whether this is exactly the name of a time zone, and not of another file beside them.

    The names are read once per worker, from the system's database or else from the package
    `tzdata`. That takes 30 ms, so call it outside the event loop.
    """
    return name in await asyncio.to_thread(known_names)


@cache
def known_names() -> frozenset[str]:
    """Return all names; they are read at the first call."""
    return frozenset(available_timezones())
