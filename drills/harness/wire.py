"""One client's connection: each request is answered, or fails in one of four ways."""

import asyncio
import base64
import json
import select
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

HOST = "127.0.0.1"

# Seconds that a client waits for an answer. Twice what the service may take at most: whoever has
# nothing by then is hanging.
PATIENCE = 15.0


class Break(StrEnum):
    """The ways in which a request can end without an answer."""

    REFUSED = "refused"  # nobody listens: it was not sent
    RESET = "reset"  # sent, and the connection ended before the whole answer
    HUNG = "hung"  # sent, and no answer came in PATIENCE


class Unanswered(Exception):
    """The request has no answer; whether it was carried out is not known."""

    def __init__(self, how: Break) -> None:
        super().__init__(how.value)
        self.how = how


@dataclass(frozen=True)
class Answer:
    """A whole answer; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


# Requests on one connection, after which the next one opens a new one.
_KEPT = 20


class Wire:
    """A kept connection to one port, opened anew now and then, and when it was closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._asked = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
        client: tuple[str, str] | None = None,
    ) -> Answer:
        """Send a request and return its answer.

        Args:
            method: of the request.
            path: and its path.
            token: an access token, sent as Bearer.
            body: sent as JSON.
            form: sent instead of `body`.
            client: id and secret of a program, sent as Basic instead of `token`.

        Raises:
            Unanswered: there is none.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await self._connect()
                authorization = _authorization(token, client)
                writer.write(_render(f"{method} {path}", authorization, *_payload(body, form)))
                answer = await _read(reader)
        except ConnectionRefusedError:
            raise Unanswered(Break.REFUSED) from None
        except TimeoutError:
            self.close()
            raise Unanswered(Break.HUNG) from None
        except (OSError, EOFError):
            self.close()
            raise Unanswered(Break.RESET) from None
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
        self._reader = self._writer = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._asked >= _KEPT or self._is_over():
            self.close()
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(HOST, self.port)
            self._asked = 0
        self._asked += 1
        return self._reader, self._writer

    def _is_over(self) -> bool:
        """True if the server has closed: an idle connection may end (RFC 9112 section 9.5)."""
        if self._reader is None or self._writer is None:
            return False
        if self._reader.at_eof() or self._reader.exception() or self._writer.is_closing():
            return True
        arrived = select.poll()  # what the loop has not seen yet
        arrived.register(self._writer.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(arrived.poll(0))


def _authorization(token: str | None, client: tuple[str, str] | None) -> str:
    if client is not None:
        return f"Basic {base64.b64encode(':'.join(client).encode()).decode()}"
    return f"Bearer {token}" if token is not None else ""


def _payload(body: object, form: Mapping[str, str] | None) -> tuple[bytes, str]:
    """The bytes of a body and their type; neither if there is none."""
    if form is not None:
        return urlencode(form).encode(), "application/x-www-form-urlencoded"
    return (json.dumps(body).encode(), "application/json") if body is not None else (b"", "")


def _render(asked: str, authorization: str, payload: bytes, kind: str) -> bytes:
    head = [f"{asked} HTTP/1.1", "host: drill"]
    if authorization:
        head.append(f"authorization: {authorization}")
    if kind:
        head += [f"content-type: {kind}", f"content-length: {len(payload)}"]
    return "\r\n".join([*head, "", ""]).encode() + payload


async def _read(reader: asyncio.StreamReader) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, body)
