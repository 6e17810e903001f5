"""Steps that clients of contestants share: only a success is measured, all else ends the run."""

from collections.abc import Awaitable, Callable

from bench.harness.load import Answer, Connection

Step = Callable[[], Awaitable[int]]


async def succeed(connection: Connection, wire: bytes, status: int = 200) -> Answer:
    """Send a request and return the answer, which must have that status."""
    answer = await connection.send(wire)
    assert answer.status == status, answer
    return answer


def again(connection: Connection, wire: bytes, status: int = 200) -> Step:
    """Send the same request at each step."""

    async def step() -> int:
        return (await succeed(connection, wire, status)).status

    return step
