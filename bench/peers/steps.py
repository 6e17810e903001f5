"""Steps that clients of contestants share: only a success is measured, all else ends the run."""

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
