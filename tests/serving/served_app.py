"""A small application for the server's tests: it waits, sends floods, and identifies its worker."""

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest import mock

from prometheus_client import Counter, Gauge

from keyfob.core.http.clients import Clients
from keyfob.serving.beginnings import Beginnings
from keyfob.settings import Settings

CALLS = Counter("served_calls_total", "Requests to the test application.")
ALIVE = Gauge("served_alive", "Workers alive.", multiprocess_mode="livesum")


class _App:
    def __init__(self, settings: Settings) -> None:
        self._clients = Clients(settings.trusted_proxies, by_socket=settings.listens_on_socket)
        self._held: list[asyncio.Event] = []
        self._stopping = asyncio.Event()
        # Addresses in the order in which their requests began, in which they were told something
        # (a piece of their body, or that the client is gone), and in which they were read whole.
        self._order: dict[str, list[Any]] = {
            "/callers": [],
            "/told": [],
            "/read": [],
            "/believed": [],
        }

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["stopping"] = self._stopping.set
            await _lifespan(receive, send)
            return
        CALLS.inc()
        address = self._clients.address_of(scope)
        self._order["/callers"].append(address)
        self._order["/believed"].append((address, self._clients.is_proxy(scope)))
        match scope["path"]:
            case "/early":
                await _answer(send, 413, b"too large")
            case "/held":
                await _answer(send, 200, str(len(self._held)).encode())
            case "/callers" | "/told" | "/read" | "/believed" as path:
                await _answer(send, 200, json.dumps(self._order[path]).encode())
            case "/late":
                await self._answer_late(send)
            case "/flood":
                await _flood(send)
            case "/block":
                _block()
                await _answer(send, 200, b"")
            case _:
                await self._tell(scope, receive, send, address)

    async def _tell(self, scope: dict[str, Any], receive: Any, send: Any, address: Any) -> None:
        if scope["path"] == "/endless":
            await _answer_endlessly(send, self._stopping)
            return
        body = b"" if scope["path"] == "/unread" else await self._read(receive, address)
        if body is not None:
            self._order["/read"].append(address)
            await self._wait(scope["path"])
            await _answer(send, 200, _tell(scope, body))

    async def _answer_late(self, send: Any) -> None:
        """Send a head, and its body when somebody asks for /release."""
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._wait("/hold")
        await send({"type": "http.response.body", "body": b"late"})

    async def _read(self, receive: Any, address: str | None) -> bytes | None:
        body = b""
        while True:
            message = await receive()
            self._order["/told"].append(address)
            if message["type"] == "http.disconnect":
                return None
            body += message["body"]
            if not message["more_body"]:
                return body

    async def _wait(self, path: str) -> None:
        if path in {"/hold", "/unread"}:  # until somebody asks for /release
            self._held.append(asyncio.Event())
            await self._held[-1].wait()
        elif path == "/release":
            for event in self._held:
                event.set()
        elif path == "/slow":
            await asyncio.sleep(0.01)


def create_app(settings: Settings) -> _App:
    return _App(settings)


def create_app_once(settings: Settings) -> _App:
    """Make the application in one worker; another one that starts stays at it."""
    try:
        Path("first").touch(exist_ok=False)
    except FileExistsError:
        Path("pid").write_text(str(os.getpid()))
        Path("pid").rename("starting")
        threading.Event().wait()
    return _App(settings)


def create_app_behind_a_faulty_protocol(settings: Settings) -> _App:
    """Make the application; the protocol fails at a head that does not come at once."""

    mock.patch.object(Beginnings, "go_on", side_effect=ZeroDivisionError).start()
    return _App(settings)


def create_broken_app(_settings: object) -> Callable[..., Awaitable[None]]:
    async def app(_scope: dict[str, Any], _receive: Any, _send: Any) -> None:
        raise RuntimeError("cannot start")

    return app


def _block() -> None:
    """Hold up the whole loop, after it has looked for input, until a file appears.

    Long enough for uvicorn's tick of 0.1 s to be overdue: it comes before the next look.
    """
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()

    def hold_up() -> None:
        loop.remove_reader(reading)
        os.close(reading)
        os.close(writing)
        Path("blocked").touch()
        threading.Event().wait(0.2)
        while not Path("go").exists():
            threading.Event().wait(0.02)

    loop.add_reader(reading, hold_up)
    os.write(writing, b"!")


async def _lifespan(receive: Any, send: Any) -> None:
    await receive()
    ALIVE.set(1)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _tell(scope: dict[str, Any], body: bytes) -> bytes:
    told = {
        "pid": os.getpid(),
        "method": scope["method"],
        "path": scope["path"],
        "body": len(body),
        "client": scope["client"],
        "leaving": scope["state"].get("leaving", False),
        "headers": [name.decode() for name, _ in scope["headers"]],
    }
    return json.dumps(told).encode()


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    if status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer_endlessly(send: Any, stopping: asyncio.Event) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun\n", "more_body": True})
    await stopping.wait()
    await send({"type": "http.response.body", "body": b"ended\n"})


async def _flood(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
