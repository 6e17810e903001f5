"""The rows that one address can add to the database in an hour, at the default limits.

Each kind of request is done some hundred times against limits of the same windows with more room in
them, so that the same rows are written. What it adds to all tables and indexes, dead rows and all,
is multiplied by how often the shipped limit lets one address do it in an hour. Of the kinds that
share a limit the dearest counts; the limits are added up.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

import limits
from bench.harness import figures, servers
from bench.harness.clients import PASSWORD, registered
from bench.harness.load import Answer, Connection, request
from keyfob.settings import Settings

USES = 300
_MORE_ROOM = 100_000
_SHIPPED = {
    name: str(info.default)
    for name, info in Settings.model_fields.items()
    if name.startswith("limit_") and name not in {"limit_store", "limit_mail", "limit_notices"}
}
_TABLES = "FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


@dataclass(frozen=True)
class Client:
    """One address, with an account of its own that has proven its address."""

    connection: Connection
    email: str
    access: str

    async def ask(
        self, method: str, path: str, *, bearer: str | None = None, **body: Any
    ) -> Answer:
        """Send a request as from a device that was never seen, with a long name of its own."""
        device = f"{uuid.uuid4().hex * 6}/1 CFNetwork/1 Darwin/1"
        wire = request(
            method, path, body=body or None, token=bearer, headers={"user-agent": device}
        )
        return await self.connection.send(wire)

    async def change(self, method: str, path: str, **body: Any) -> None:
        answer = await self.ask(method, path, bearer=self.access, **body)
        assert answer.status < 300, (path, answer)


Use = Callable[[Client], Awaitable[object]]


@dataclass(frozen=True)
class Kind:
    """A use of the service, the limit that counts it, and how many requests of it that takes."""

    name: str
    limit: str
    use: Use
    requests: int = 1


def _somebody() -> str:
    return f"{uuid.uuid4().hex}@example.com"


async def _fail(client: Client) -> None:
    answer = await client.ask("POST", "/login", email=_somebody(), password="wrong")
    assert answer.status == 401, answer


async def _sign_in(client: Client, email: str) -> dict[str, str]:
    answer = await client.ask("POST", "/login", email=email, password=PASSWORD)
    assert answer.status == 200, answer
    tokens: dict[str, str] = answer.json()
    return tokens


async def _sign_in_and_out(client: Client) -> None:
    tokens = await _sign_in(client, client.email)
    out = await client.ask("DELETE", "/logout", bearer=tokens["access_token"])
    assert out.status == 204, out


async def _sign_in_and_reuse(client: Client) -> None:
    """The reuse of a refresh token is an audit event and a mail."""
    token = (await _sign_in(client, client.email))["refresh_token"]
    for status in (200, 401):
        answer = await client.ask("POST", "/refresh", token=token)
        assert answer.status == status, answer


async def _ask_for_passkey(client: Client) -> None:
    """The other request of a passkey's sign-in ends as one by a password does."""
    assert (await client.ask("POST", "/login/passkey/options")).status == 200
    await _sign_in_and_out(client)


async def _register(client: Client) -> None:
    answer = await client.ask("POST", "/register", email=_somebody(), password=PASSWORD)
    assert answer.status == 201, answer


def _mailed(path: str) -> Use:
    async def use(client: Client) -> None:
        assert (await client.ask("POST", path, email=_somebody())).status == 202

    return use


async def _rename(client: Client) -> None:
    await client.change("PATCH", "/me", name=uuid.uuid4().hex)


async def _prove(client: Client) -> None:
    token = (await _sign_in(client, client.email))["access_token"]
    answer = await client.ask("POST", "/me/reauthenticate", bearer=token, password=PASSWORD)
    assert answer.status == 200, answer


async def _change_email(client: Client) -> None:
    await client.change("POST", "/me/email", email=_somebody())


async def _leave_and_keep(client: Client) -> None:
    await client.change("DELETE", "/me")
    await client.change("POST", "/me/keep")


async def _begin_factor(client: Client) -> None:
    await client.change("POST", "/me/factors/totp", name=uuid.uuid4().hex)


async def _export(client: Client) -> None:
    await client.change("GET", "/me/export")


KINDS = (
    Kind("refused, each time at another account", "login", _fail),
    Kind("signed in and out", "login", _sign_in_and_out),
    Kind("signed in, a refresh token used twice", "login", _sign_in_and_reuse),
    Kind("signed in by a passkey, and out", "passkey", _ask_for_passkey, 2),
    Kind("registered", "register", _register),
    Kind("asked for a link to prove an address", "verify_email", _mailed("/verify-email/request")),
    Kind("asked for a link to recover", "recover", _mailed("/recover/request")),
    Kind("changed the profile", "me_address", _rename),
    Kind("signed in, and proved it once more", "me_address", _prove),
    Kind("asked to change the e-mail", "me_address", _change_email),
    Kind("left, and kept the account after all", "me_address", _leave_and_keep, 2),
    Kind("began to add an authenticator", "me_address", _begin_factor),
    Kind("exported all that is kept", "me_address", _export),
)


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    room = {name.upper(): _with_more_room(notation) for name, notation in _SHIPPED.items()}
    with servers.keyfob(dsn, BCRYPT_COST=4, REFRESH_GRACE=0, **{**room, "LIMITS": "on"}) as ours:
        added = asyncio.run(_measure(dsn, ours.port))
    hourly: dict[str, float] = {}
    for kind, size in added.items():
        times = _in_an_hour(_SHIPPED[f"limit_{kind.limit}"]) // kind.requests
        hourly[kind.limit] = max(hourly.get(kind.limit, 0.0), size * times / 1e6)
        report.figure("one address, an hour", kind.name, "a time", " B", [size])
        report.figure("one address, an hour", kind.name, "at most", "", [times])
    report.add(
        "one address adds to the database in an hour",
        [sum(hourly.values())],
        20,
        ", ".join(f"{limit} {size:.1f}" for limit, size in hourly.items()),
        at_most=True,
        unit=" MB",
    )


def _with_more_room(notation: str) -> str:
    """Return the same windows with more room in them: as many rows are written for each request."""
    items = limits.parse_many(notation)
    return ";".join(f"{item.amount * _MORE_ROOM}/{item.get_expiry()} second" for item in items)


def _in_an_hour(notation: str) -> int:
    """Return how often these limits let one client pass in an hour."""
    return min(
        item.amount * max(1, 3600 // item.get_expiry()) for item in limits.parse_many(notation)
    )


async def _measure(dsn: str, port: int) -> dict[Kind, float]:
    """Return what each kind of use adds, in bytes."""
    connection, database = Connection(servers.HOST, port), await asyncpg.connect(dsn)
    # What is dead is counted with the living: a vacuum in between would take off what came before.
    for table in await database.fetch(f"SELECT oid::regclass::text AS name {_TABLES}"):
        await database.execute(f"ALTER TABLE {table['name']} SET (autovacuum_enabled = off)")
    added = {}
    for kind in KINDS:
        client = await _client(connection, database)
        before = await _size(database)
        for _ in range(USES):
            await kind.use(client)
        added[kind] = (await _size(database) - before) / USES
        print(f"   {added[kind]:6.0f} B  {kind.name}", flush=True)
    await database.close()
    return added


async def _client(connection: Connection, database: "asyncpg.Connection[Any]") -> Client:
    email, tokens = await registered(connection)
    await database.execute("UPDATE users SET email_verified_at = now() WHERE email = $1", email)
    return Client(connection, email, tokens["access_token"])


async def _size(database: "asyncpg.Connection[Any]") -> int:
    """Return the bytes of all tables with their indexes."""
    size: int = await database.fetchval(
        f"SELECT sum(pg_total_relation_size(oid))::bigint {_TABLES}"
    )
    return size
