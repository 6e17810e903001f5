"""The names of time zones, as the IANA database has them."""

import asyncio
from functools import cache


async def is_timezone(name: str) -> bool:
    """Tell whether this names a time zone: exactly, and no file that happens to lie beside them.

    The names are read once a worker: of the machine's own database, or of the package `tzdata`
    where it has none. That takes 30 ms, so it is not done on the event loop.
    """
    return name in await asyncio.to_thread(known_names)


@cache
def known_names() -> frozenset[str]:
    """Return every name, as read at the first call."""
    from zoneinfo import available_timezones  # noqa: PLC0415 - 60 KB, only where used

    return frozenset(available_timezones())
