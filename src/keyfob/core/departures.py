"""The departure of a client, while its request is being answered.

Only hashing is given up for it. Threat: a client that leaves at the right moment would otherwise
have its attempt counted or forgiven, but not logged.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from keyfob.core.problems import BadRequest

T = TypeVar("T")

_departure: ContextVar["asyncio.Future[Any] | None"] = ContextVar("departure", default=None)


class ClientGone(BadRequest):
    """The client closed the connection; nobody reads this response."""

    code = "client_gone"
    title = "The client closed the connection"


@contextmanager
def watching(departure: "asyncio.Future[Any]") -> Iterator[None]:
    """Have `unless_gone` give up once this future is done."""
    token = _departure.set(departure)
    try:
        yield
    finally:
        _departure.reset(token)


async def unless_gone(result: "asyncio.Future[T]") -> T:
    """Return the result of expensive work, or cancel it when the client of this request leaves.

    Raises:
        ClientGone: the client has left, and there was no result yet.
    """
    departure = _departure.get()
    if departure is None:
        return await result
    try:
        await asyncio.wait({result, departure}, return_when=asyncio.FIRST_COMPLETED)
        if result.done():
            return result.result()
        raise ClientGone
    finally:
        result.cancel()
