"""Work that is worth doing only while its client waits for it."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.requests import Request

from keyfob.core.problems import BadRequest

T = TypeVar("T")


class ClientGone(BadRequest):
    """The client closed the connection; nobody reads this."""

    code = "client_gone"
    title = "The client closed the connection"


async def while_present(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, but give it up when the client leaves: nobody hashes for the departed.

    The body must have been read before.

    Raises:
        ClientGone: the client closed the connection; the work was cancelled.
    """
    task = asyncio.create_task(work)
    departure = asyncio.create_task(_departure(request))
    try:
        await asyncio.wait({task, departure}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        for one in (task, departure):
            one.cancel()
            with suppress(asyncio.CancelledError, Exception):  # its outcome was taken above
                await one


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
