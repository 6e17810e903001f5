"""The clients of the scenes. Each prepares itself, then does one step at a time."""

import json
import uuid
from dataclasses import dataclass

from bench.harness.load import Answer, Client, Connection, Refused, Step, request

PASSWORD = "correct horse battery"


async def registered(connection: Connection) -> tuple[str, dict[str, str]]:
    """Register somebody new; return the address and the tokens."""
    email = f"{uuid.uuid4().hex}@example.com"
    answer = await connection.send(
        request("POST", "/register", body={"email": email, "password": PASSWORD})
    )
    assert answer.status == 201, answer
    return email, answer.json()


async def registers(connection: Connection, _: int) -> Step:
    """Registers somebody new each time."""

    async def step() -> int:
        email = f"{uuid.uuid4().hex}@example.com"
        wire = request("POST", "/register", body={"email": email, "password": PASSWORD})
        return (await connection.send(wire)).status

    return step


async def logs_in(connection: Connection, _: int) -> Step:
    """Signs in again and again as one user of its own."""
    email, _tokens = await registered(connection)
    wire = request("POST", "/login", body={"email": email, "password": PASSWORD})

    async def step() -> int:
        return (await connection.send(wire)).status

    return step


async def refreshes(connection: Connection, _: int) -> Step:
    """Refreshes a session of its own."""
    _email, tokens = await registered(connection)
    token = tokens["refresh_token"]

    async def step() -> int:
        nonlocal token
        answer = await connection.send(request("POST", "/refresh", body={"token": token}))
        if answer.status == 200:
            token = answer.json()["refresh_token"]
        return answer.status

    return step


@dataclass(frozen=True)
class RefreshesMany:
    """Refreshes many sessions of its own, one after the other."""

    sessions: int

    async def __call__(self, connection: Connection, _: int) -> Step:
        steps = [await refreshes(connection, number) for number in range(self.sessions)]
        turn = 0

        async def step() -> int:
            nonlocal turn
            turn += 1
            return await steps[turn % len(steps)]()

        return step


async def asks_me(connection: Connection, _: int) -> Step:
    """Asks who it is, with one token."""
    _email, tokens = await registered(connection)
    wire = request("GET", "/me", token=tokens["access_token"])

    async def step() -> int:
        return (await connection.send(wire)).status

    return step


async def asks_me_without_token(connection: Connection, _: int) -> Step:
    """Asks who it is, without a token: the refusal of the same route."""
    wire = request("GET", "/me")

    async def step() -> int:
        return (await connection.send(wire)).status

    return step


@dataclass(frozen=True)
class Undaunted:
    """Does as another client does, and goes on where that one would give up: it tells of it.

    A step without an answer, on a connection that was cut, has status 0.
    """

    client: Client

    async def __call__(self, connection: Connection, number: int) -> Step:
        step = await self.client(connection, number)

        async def whatever_comes() -> int:
            try:
                return await step()
            except Refused as refused:
                return refused.status
            except (OSError, EOFError):
                connection.close()
                return 0

        return whatever_comes


@dataclass(frozen=True)
class FromAddresses:
    """Does as another client does, from an address of its own, as a trusted proxy would report it.

    Args:
        client: what it does.
        network: the first three bytes of the addresses, such as `10.78.0`.
    """

    client: Client
    network: str

    async def __call__(self, connection: Connection, number: int) -> Step:
        return await self.client(_Forwarded(connection, f"{self.network}.{number % 256}"), number)


class _Forwarded(Connection):
    """A connection of which a proxy reports that it comes from some address."""

    def __init__(self, connection: Connection, address: str) -> None:
        super().__init__(connection.host, connection.port)
        self._connection = connection
        self._header = f"\r\nx-forwarded-for: {address}\r\n".encode()

    async def send(self, request: bytes) -> Answer:
        return await self._connection.send(request.replace(b"\r\n", self._header, 1))

    def close(self) -> None:
        self._connection.close()


class BareRefreshes:
    """Refreshes at the bare app: a row of its own for each client."""

    def __init__(self, rows: list[tuple[str, str]]) -> None:
        self.rows = rows

    async def __call__(self, connection: Connection, number: int) -> Step:
        session_id, secret = self.rows[number]
        token = f"{session_id}.0.{secret}"

        async def step() -> int:
            nonlocal token
            answer = await connection.send(request("POST", "/refresh", body={"token": token}))
            token = json.loads(answer.body)["refresh_token"]
            return answer.status

        return step


async def asks_bare_me(connection: Connection, _: int) -> Step:
    """Asks the bare app's /me, with a token of its own."""
    token = (await connection.send(request("GET", "/token"))).body.decode()
    wire = request("GET", "/me", token=token)

    async def step() -> int:
        return (await connection.send(wire)).status

    return step


async def refused_logins(connection: Connection, _: int) -> Step:
    """Signs in as nobody, which costs a hash all the same; the shed are told when to come back."""
    wire = request("POST", "/login", body={"email": "nobody@example.com", "password": PASSWORD})

    async def step() -> int:
        answer = await connection.send(wire)
        assert answer.status == 401 or b"\r\nretry-after: " in answer.head.lower(), answer
        return answer.status

    return step


async def spoofs_addresses(connection: Connection, number: int) -> Step:
    """Calls from another address each time, as a trusted proxy would report it; each is counted."""
    count = number << 20

    async def step() -> int:
        nonlocal count
        count += 1
        address = f"10.{count >> 16 & 255}.{count >> 8 & 255}.{count & 255}"
        headers = {"x-forwarded-for": address}
        wire = request("POST", "/verify-email/confirm", body={"token": "none"}, headers=headers)
        return (await connection.send(wire)).status

    return step
