"""Clients of better-auth, for the original and its port to Python alike.

Each is mounted several times, once for each way it may be set.
"""

import uuid

from bench.harness import servers
from bench.harness.clients import PASSWORD
from bench.harness.load import Answer, Client, Connection, Step, request
from bench.peers.people import PAGE, PART, People
from bench.peers.steps import Anew, again, cookies_of, pages_by_offset, succeed

_SESSION = b'"session":{'
_USERS = "/with-admin/admin/list-users"

_INSERT = """
INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt", role)
SELECT md5(n || ''), 'Somebody', md5(n || '') || '@example.com', true, now(), now(), 'user'
  FROM generate_series($1::int, $2::int) AS n
"""


def people(database: str) -> People:
    """Those that its administrator lists."""
    return People(database, _INSERT, ('"user"',))


def sign_up(mount: str, email: str, password: str = PASSWORD) -> bytes:
    """Write the request of somebody new."""
    body = {"name": "Somebody", "email": email, "password": password}
    return request("POST", f"{mount}/sign-up/email", body=body)


def _sign_in(mount: str, email: str, password: str = PASSWORD) -> bytes:
    return request("POST", f"{mount}/sign-in/email", body={"email": email, "password": password})


async def _registered(connection: Connection, mount: str = "/api/auth") -> tuple[str, Answer]:
    """Register somebody new; return the address and the answer, with the session's cookies."""
    email = f"{uuid.uuid4().hex}@example.com"
    return email, await succeed(connection, sign_up(mount, email), holds=b'"token":"')


async def logs_in(connection: Connection, _: int) -> Step:
    """Signs in again and again as one user of its own."""
    email, _answer = await _registered(connection)
    return again(connection, _sign_in("/api/auth", email), holds=b'"token":"')


async def _asks(connection: Connection, mount: str) -> bytes:
    """Write the request for a session of its own, by its cookies."""
    _email, answer = await _registered(connection, mount)
    return request("GET", f"{mount}/get-session", headers=cookies_of(answer))


async def asks_for_session(connection: Connection, _: int) -> Step:
    """Asks for its session and user, as an app does at each request."""
    return again(connection, await _asks(connection, "/api/auth"), holds=_SESSION)


async def asks_for_cached_session(connection: Connection, _: int) -> Step:
    """Asks for its session, which one of its cookies holds, signed."""
    wire = await _asks(connection, "/cached")
    assert b"session_data=" in wire, wire
    return again(connection, wire, holds=_SESSION)


async def extends_session(connection: Connection, _: int) -> Step:
    """Asks for its session where each asking prolongs it."""
    wire = await _asks(connection, "/sliding")
    first, second = [(await succeed(connection, wire)).json() for _ in range(2)]
    assert first["session"]["expiresAt"] < second["session"]["expiresAt"], "not prolonged"
    return again(connection, wire, holds=_SESSION)


async def _signed_in_as_admin(connection: Connection) -> dict[str, str]:
    answer = await succeed(connection, _sign_in("/with-admin", *servers.ADMIN))
    return cookies_of(answer)


async def lists(connection: Connection, _: int) -> Step:
    """Lists the first users, as admin."""
    headers = await _signed_in_as_admin(connection)
    wire = request("GET", f"{_USERS}?limit={PAGE}", headers=headers)
    return again(connection, wire, holds=b'"email":')


async def pages(connection: Connection, _: int) -> Step:
    """Lists one page of users after the other, as admin."""
    headers = await _signed_in_as_admin(connection)
    return pages_by_offset(
        connection,
        lambda offset: request("GET", f"{_USERS}?limit={PAGE}&offset={offset}", headers=headers),
        size=PAGE,
        holds=b'"email":',
    )


async def searches(connection: Connection, _: int) -> Step:
    """Searches for a part of an address, as admin; one user has it."""
    headers = await _signed_in_as_admin(connection)
    query = f"limit={PAGE}&searchField=email&searchOperator=contains&searchValue={PART}"
    wire = request("GET", f"{_USERS}?{query}", headers=headers)
    return again(connection, wire, holds=b'"total":1')


CLIENTS: dict[str, Client] = {
    "register": Anew(_registered),
    "login": logs_in,
    "refresh": extends_session,
    "me": asks_for_session,
    "me, cached": asks_for_cached_session,
    "list": lists,
    "page": pages,
    "search": searches,
}

NOTES = {
    "register": "signs in, too",
    "refresh": "it has no refresh tokens: the session check where each prolongs the session "
    "(update age 0); the token stays the same. By default a session is prolonged once a day",
    "me": "get-session: reads the session's row and the user's",
    "me, cached": "the same from a signed cookie of 5 minutes, in which a revoked session "
    "still counts",
    "list": "counts all users each time",
    "page": "by offset; counts all users each time",
    "search": "part of an address, by reading all users",
}
