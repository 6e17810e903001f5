"""An event loop in a thread of its own: keys and revocations are followed there.

So one code serves synchronous and asynchronous programs, and a web server may have as many event
loops as it likes.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger("keyfob_client")

_STOP_SECONDS = 5.0
_PAUSE_SECONDS = 1.0


async def _keep(forever: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        try:
            await forever()
        except Exception:
            log.exception("what runs in the background has failed, and begins again")
        await asyncio.sleep(_PAUSE_SECONDS)


class Background:
    """Runs coroutines beside the program, until it is closed or the program ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._run, name="keyfob-client", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def keep(self, forever: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start what runs until the end."""

        def begin() -> None:
            self._tasks.add(self._loop.create_task(_keep(forever)))

        self._loop.call_soon_threadsafe(begin)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and wait for it in this thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and wait for it in the event loop of the caller."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return await asyncio.wrap_future(future)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """End what runs, run a last coroutine, and end the thread."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(last), self._loop).result(_STOP_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_SECONDS)

    async def _end(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await last()
