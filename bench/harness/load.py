"""Closed-loop clients in a process of their own: each sends its next request after the answer."""

import asyncio
import concurrent.futures
import json
import math
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvloop


@dataclass
class Answer:
    status: int
    body: bytes
    link: str = ""
    head: bytes = b""  # as it came, for those who read cookies or a location

    def json(self) -> Any:
        return json.loads(self.body)


class Refused(Exception):
    """An answer was not the success that its client asked for."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer

    @property
    def status(self) -> int:
        """Of the answer; 0 where it calls itself a success and does not hold what it must."""
        return 0 if 200 <= self.answer.status < 300 else self.answer.status


class Connection:
    """One keep-alive HTTP/1.1 connection, with as little of its own cost as Python allows."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, request: bytes) -> Answer:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self.host, self.port)
        reader = self._reader
        assert reader is not None
        self._writer.write(request)
        raw = await reader.readuntil(b"\r\n\r\n")
        head = raw.lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : head.index(b"\r", at)]) if at >= 0 else 0
        body = await reader.readexactly(length) if length else b""
        if at < 0 and b"transfer-encoding: chunked" in head:
            body = await _chunks(reader)
        if b"connection: close" in head:
            self.close()
        at = head.find(b"link: <")
        link = raw[at + 7 : raw.index(b">", at)].decode() if at >= 0 else ""
        return Answer(int(head[9:12]), body, link, raw)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """Read a body in chunks to its end (RFC 9112, section 7.1)."""
    parts = []
    while size := int((await reader.readline()).partition(b";")[0], 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    while await reader.readline() != b"\r\n":
        pass
    return b"".join(parts)


def request(
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: dict[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Write one request, with a body of JSON or a form, if any; names of headers in lower case."""
    head = [f"{method} {path} HTTP/1.1", "host: bench"]
    if token:
        head.append(f"authorization: Bearer {token}")
    head += [f"{name}: {value}" for name, value in (headers or {}).items()]
    payload, kind = b"", ""
    if body is not None:
        payload, kind = json.dumps(body).encode(), "application/json"
    elif form is not None:
        payload, kind = urlencode(form).encode(), "application/x-www-form-urlencoded"
    if kind:
        head += [f"content-type: {kind}", f"content-length: {len(payload)}"]
    return "\r\n".join([*head, "", ""]).encode() + payload


@dataclass
class Result:
    """The results of a run of clients; latencies in seconds."""

    seconds: float
    latencies: list[float]
    statuses: dict[int, int] = field(default_factory=dict)
    shed: list[float] = field(default_factory=list)  # the latencies of 503s among them

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def failed(self) -> float:
        """The share of unsuccessful answers."""
        good = sum(count for status, count in self.statuses.items() if 200 <= status < 300)
        return 1 - good / max(1, len(self.latencies))

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


# A client: given a connection and its number, it does one step at a time for ever.
Step = Callable[[], Awaitable[int]]
Client = Callable[[Connection, int], Awaitable[Step]]


async def drive(host: str, port: int, client: Client, count: int, seconds: float) -> Result:
    """Let `count` clients loop for so many seconds; the set-up of each is not counted."""
    connections = [Connection(host, port) for _ in range(count)]
    steps = [await client(connection, number) for number, connection in enumerate(connections)]
    # The first may have rested for longer than the server lets it; each connects anew.
    for connection in connections:
        connection.close()
    result = await loop(steps, seconds)
    for connection in connections:
        connection.close()
    return result


async def loop(steps: Sequence[Step], seconds: float, total: float = math.inf) -> Result:
    """Let clients step side by side for so many seconds, or for so many steps in total."""
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    shed: list[float] = []
    started = time.perf_counter()
    until = started + seconds
    begun = 0

    async def follow(step: Step) -> None:
        nonlocal begun
        while begun < total and (before := time.perf_counter()) < until:
            begun += 1
            status = await step()
            latencies.append(time.perf_counter() - before)
            if status == 503:
                shed.append(latencies[-1])
            statuses[status] = statuses.get(status, 0) + 1

    following = [asyncio.ensure_future(follow(step)) for step in steps]
    try:
        await asyncio.gather(*following)
    finally:
        for each in following:
            each.cancel()
    return Result(time.perf_counter() - started, latencies, statuses, shed)


def run_clients(host: str, port: int, client: Client, count: int, seconds: float) -> Result:
    """Run `drive` in a process of its own, so that the clients' work is not the server's."""
    # An executor, as a pool waits for ever when its process cannot import the client.
    spawning = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawning) as executor:
        return executor.submit(_drive, host, port, client, count, seconds).result()


def start_clients(pool: Any, *args: Any) -> Any:
    """Run `drive` in a process of the pool; `.get()` gives the result."""
    return pool.apply_async(_drive, args)


def _drive(host: str, port: int, client: Client, count: int, seconds: float) -> Result:
    return uvloop.run(drive(host, port, client, count, seconds))
