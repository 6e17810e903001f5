"""Introspection and client credentials, each in the rate of our own refresh."""

import base64
import json

from bench.harness import figures, servers
from bench.harness.clients import refreshes
from bench.harness.load import Client, Connection, Step, request, run_clients

CLIENTS = 8
RESOURCE = "https://orders.bench.example"
TABLE = "programs, 8 clients"
# Limits are on, wide enough not to be met: counting is part of what is measured.
COUNTED = {
    "BCRYPT_COST": 4,
    "LIMITS": "on",
    "LIMIT_CLIENT": "100000000/minute",
    "LIMIT_REFRESH": "100000000/minute",
    "LIMIT_REGISTER": "100000/minute",
}


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn, **COUNTED) as server:

        def side(client: Client) -> float:
            return run_clients(servers.HOST, server.port, client, CLIENTS, seconds).rate

        refreshed, introspected, granted = figures.in_turn(
            rounds,
            lambda: side(refreshes),
            lambda: side(introspects),
            lambda: side(gets_tokens),
        )
    for name, rates in (
        ("refresh", refreshed),
        ("introspection", introspected),
        ("client credentials", granted),
    ):
        report.figure(TABLE, name, "rate", "/s", rates)
    for name, rates, bound in (
        ("introspection", introspected, 0.8),
        ("client credentials", granted, 0.6),
    ):
        report.add(
            f"{name} / refresh, rate",
            figures.ratios(rates, refreshed),
            bound,
            f"{min(rates):.0f} to {max(rates):.0f}/s, "
            f"refresh {min(refreshed):.0f} to {max(refreshed):.0f}",
            at_most=False,
        )


async def make_program(connection: Connection) -> str:
    """Register a client by the admin API, and return its credentials for the Basic scheme."""
    email, password = servers.ADMIN
    signed_in = await connection.send(
        request("POST", "/login", body={"email": email, "password": password})
    )
    admin = signed_in.json()["access_token"]
    # Of several clients of a scene one makes the resource; the others find it there.
    await connection.send(
        request(
            "POST",
            "/admin/resources",
            token=admin,
            body={"identifier": RESOURCE, "name": "Orders", "scopes": {"orders:read": {}}},
        )
    )
    asked = {"name": "Bench", "scope": ["orders:read"], "resources": [RESOURCE]}
    made = await connection.send(request("POST", "/admin/clients", token=admin, body=asked))
    assert made.status == 201, made
    client_id = made.json()["id"]
    path = f"/admin/clients/{client_id}/secrets"
    secret = await connection.send(request("POST", path, token=admin, body={}))
    assert secret.status == 201, secret
    given = f"{client_id}:{secret.json()['client_secret']}"
    return "Basic " + base64.b64encode(given.encode()).decode()


async def gets_tokens(connection: Connection, _: int) -> Step:
    """Gets a token for itself, again and again."""
    headers = {"authorization": await make_program(connection)}
    form = {"grant_type": "client_credentials"}
    wire = request("POST", "/oauth2/token", form=form, headers=headers)

    async def step() -> int:
        return (await connection.send(wire)).status

    return step


async def introspects(connection: Connection, _: int) -> Step:
    """Introspects one token of its own."""
    headers = {"authorization": await make_program(connection)}
    form = {"grant_type": "client_credentials"}
    granted = await connection.send(request("POST", "/oauth2/token", form=form, headers=headers))
    shown = {"token": granted.json()["access_token"]}
    wire = request("POST", "/oauth2/introspect", form=shown, headers=headers)

    async def step() -> int:
        answer = await connection.send(wire)
        assert json.loads(answer.body)["active"]
        return answer.status

    return step
