"""`serve`: one worker in this process, or several that are monitored, replaced and stopped."""

import asyncio
import os
import pickle
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from keyfob.core.stopping import ending_heard_by
from keyfob.serving.accepting import LEAVING, Ledger
from keyfob.serving.listeners import open_listeners, urls_of
from keyfob.serving.metrics import (
    forget_process,
    serve_metrics,
    shared_metrics,
    worker_environment,
)
from keyfob.serving.process import run_worker
from keyfob.settings import Settings

log = structlog.get_logger("keyfob.serving")

DEFAULT_APP = "keyfob.app:create_app"

# The number of workers that die in a row, none of them ready, before the start is given up.
_HOPELESS = 5

_LONGEST_PAUSE = 10.0

# The seconds beyond the grace time for a worker to release the application's resources.
_CLOSING_TIME = 10.0


def serve(
    settings: Settings,
    on_ready: Callable[[list[str]], None],
    *,
    sockets: Sequence[socket.socket] | None = None,
    app: str = DEFAULT_APP,
) -> int:
    """Serve until a signal; return the exit code.

    `on_ready` is called once, with the addresses (`http://127.0.0.1:8000`), when the first worker
    accepts requests. `sockets` are listeners that are already open; they are closed at the end.
    `app` is `module:function`, called with the settings by every worker. Returns 0 after a stop by
    a signal; 1 if the application does not start or did not stop in time.

    Raises:
        CannotListen: it is not possible to listen on the address.
    """
    if sockets is None:
        sockets = open_listeners(settings.hosts, settings.port)
    urls = urls_of(sockets)
    if settings.workers > 1:
        with shared_metrics(settings) as folder:
            supervisor = _Supervisor(settings, sockets, app, lambda: on_ready(urls), folder)
            return asyncio.run(supervisor.run())
    with serve_metrics(settings):
        return run_worker(settings, sockets=sockets, app=app, on_started=lambda: on_ready(urls))


class _Supervisor:
    """Keeps `settings.workers` processes running, each with a lifeline to this one.

    A worker sends one byte over its lifeline when it is ready, and gets the listening sockets over
    it: so one that dies during its start takes no waiting connection with it. The end of the
    lifeline tells it that this process has ended, in whatever way.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[socket.socket],
        app: str,
        on_ready: Callable[[], None],
        metrics: Path | None,
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._app = app
        self._ledger = Ledger.create(settings.workers)
        self._counts = Ledger(self._ledger)
        self._on_ready = on_ready
        self._metrics = metrics
        self._stopping = asyncio.Event()
        self._running: set[Process] = set()
        self._ready: set[socket.socket] = set()  # the lifelines of workers that serve
        self._leaving = False
        self._ever_ready = False
        self._failures = 0

    async def run(self) -> int:
        """Start the workers, replace them, and stop them on a signal; return the exit code."""
        loop = asyncio.get_running_loop()
        # Not the loop's own handlers: it removes them at its end, and a later signal would leave
        # the embedded PostgreSQL running.
        with ending_heard_by(
            lambda number, _: loop.call_soon_threadsafe(self._hear_signal, number)
        ):
            slots = range(self._settings.workers)
            keepers = [asyncio.create_task(self._keep(slot)) for slot in slots]
            try:
                await self._stopping.wait()
            finally:
                in_time = await self._stop(keepers)
        os.close(self._ledger)
        return 0 if in_time and self._failures < _HOPELESS else 1

    def _hear_signal(self, number: int) -> None:
        """Stop, after the delay that load balancers need; a second signal stops at once."""
        if number == signal.SIGINT or self._leaving or not self._settings.drain_delay:
            self._stopping.set()
            return
        self._leaving = True
        for lifeline in self._ready:
            self._say_leaving(lifeline)
        loop = asyncio.get_running_loop()
        loop.call_later(self._settings.drain_delay, self._stopping.set)

    @staticmethod
    def _say_leaving(lifeline: socket.socket) -> None:
        with suppress(OSError):  # it has just died
            lifeline.send(LEAVING)

    async def _keep(self, slot: int) -> None:
        """Keep one worker running."""
        pause = 0.0
        while not self._stopping.is_set():
            if await self._live(slot):
                pause = 0.0
            elif not self._ever_ready:
                self._failures += 1
                if self._failures >= _HOPELESS and not self._stopping.is_set():
                    log.error("workers_do_not_start", attempts=self._failures)
                    self._stopping.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(_LONGEST_PAUSE, 2 * pause + 0.25)

    async def _live(self, slot: int) -> bool:
        """Run one worker to its end; tell whether it was ever ready."""
        lifeline, theirs = socket.socketpair()
        with lifeline:
            with theirs:
                lifeline.sendall(pickle.dumps((self._settings, self._app, slot)))
                process = await self._start(theirs)
            self._running.add(process)
            if self._stopping.is_set():
                process.terminate()
            lifeline.setblocking(False)
            ready = bool(await self._hear(lifeline))
            if ready:
                self._ready.add(lifeline)
                self._hand_over(lifeline)
            if ready and not self._ever_ready:
                self._ever_ready = True
                self._on_ready()
            code = await process.wait()
            self._running.discard(process)
            self._ready.discard(lifeline)
        self._counts.strike_out(slot)
        if self._metrics:
            forget_process(self._metrics, process.pid)
        if not self._stopping.is_set():
            log.warning("worker_ended", worker=process.pid, exit_code=code, was_ready=ready)
        return ready

    async def _start(self, theirs: socket.socket) -> Process:
        numbers = [self._ledger, theirs.fileno()]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # no imports from the working directory
            "-m",
            "keyfob.serving.worker",
            *map(str, numbers),
            stdin=DEVNULL,
            pass_fds=numbers,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                **worker_environment(self._metrics),
            },
        )

    def _hand_over(self, lifeline: socket.socket) -> None:
        """Send the listening sockets to a worker that can drain them."""
        if self._leaving:
            self._say_leaving(lifeline)
        if not self._stopping.is_set():
            with suppress(OSError):  # it has just died
                socket.send_fds(lifeline, [b"+"], [each.fileno() for each in self._listeners])

    @staticmethod
    async def _hear(lifeline: socket.socket) -> bytes:
        with suppress(ConnectionError):
            return await asyncio.get_running_loop().sock_recv(lifeline, 1)
        return b""

    async def _stop(self, keepers: Sequence[asyncio.Task[None]]) -> bool:
        """Stop the workers; tell whether all of them ended in time."""
        # Before the workers do: a connection that waits on a socket that only we hold would be
        # lost.
        for listener in self._listeners:
            listener.close()
        for process in list(self._running):
            with suppress(ProcessLookupError):
                process.terminate()
        grace = self._settings.shutdown_grace + _CLOSING_TIME
        _, late = await asyncio.wait(keepers, timeout=grace)
        for process in list(self._running):
            log.error("worker_did_not_stop", worker=process.pid, seconds=grace)
            with suppress(ProcessLookupError):
                process.kill()
        if late:
            await asyncio.wait(late)
        return not late
