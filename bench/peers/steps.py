"""Steps that clients of contestants share: only a success is measured, all else ends the run."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.harness.load import Answer, Connection, Refused, Step


async def succeed(
    connection: Connection, wire: bytes, *, status: int = 200, holds: bytes = b""
) -> Answer:
    """Send a request and return the answer.

    Args:
        connection: where to.
        wire: the request.
        status: what the answer must have.
        holds: what its body must hold, for servers that answer 200 to those they do not know.

    Raises:
        Refused: the answer is another.
    """
    answer = await connection.send(wire)
    if answer.status != status or holds not in answer.body:
        raise Refused(answer)
    return answer


def again(connection: Connection, wire: bytes, *, status: int = 200, holds: bytes = b"") -> Step:
    """Send the same request at each step; it must succeed as with `succeed`."""

    async def step() -> int:
        return (await succeed(connection, wire, status=status, holds=holds)).status

    return step


@dataclass(frozen=True)
class Anew:
    """A client that does the same each time, with somebody new, such as registering."""

    do: Callable[[Connection], Awaitable[object]]

    async def __call__(self, connection: Connection, _: int) -> Step:
        async def step() -> int:
            await self.do(connection)
            return 200

        return step


def pages_by_offset(
    connection: Connection, wire_at: Callable[[int], bytes], *, size: int, holds: bytes
) -> Step:
    """Read page after page, each by how many come before it; begin again after an empty one."""
    before = 0

    async def step() -> int:
        nonlocal before
        answer = await succeed(connection, wire_at(before), holds=b"" if before else holds)
        before = before + size if holds in answer.body else 0
        return answer.status

    return step


def pages_by_link(
    connection: Connection, path: str, wire_of: Callable[[str], bytes], *, holds: bytes
) -> Step:
    """Read page after page, each by the link of the one before (RFC 8288), and begin again."""
    following = path

    async def step() -> int:
        nonlocal following
        answer = await succeed(connection, wire_of(following), holds=holds)
        found = re.search(rb"<([^>]+)>; *rel=\"next\"", answer.head)
        following = found[1].decode() if found else path
        return answer.status

    return step


def cookies_of(answer: Answer) -> dict[str, str]:
    """The header that sends the cookies of an answer back."""
    pairs = re.findall(rb"(?im)^set-cookie: ([^=]+=[^;]+);", answer.head)
    return {"cookie": b"; ".join(pairs).decode()}
