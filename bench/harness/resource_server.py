"""Another service with a protected route: `python -m bench.harness.resource_server HOW PORT URL`.

HOW it judges a token: `package`, by sdk/python, which follows the revocations of the Keyfob at
URL; or `introspection`, by asking that Keyfob at each request. BENCH_CLIENT is its id and secret.
"""

import base64
import importlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from bench.harness.load import Connection, request

RESOURCE = "https://orders.bench.example"

Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Send], Awaitable[None]]


def main() -> None:
    how, port, issuer = sys.argv[1:]
    make = {"package": with_package, "introspection": with_introspection}[how]
    app = make(issuer, os.environ["BENCH_CLIENT"])
    uvicorn.run(app, port=int(port), log_level="error", access_log=False, lifespan="off")


def with_package(issuer: str, credentials: str) -> App:
    """Protect the route by the package; `/feed` tells how it follows the feed."""
    # Not installed beside Keyfob; the scene puts it on the path.
    package: Any = importlib.import_module("keyfob_client")
    asgi: Any = importlib.import_module("keyfob_client.asgi")
    client = package.ClientSecret(*credentials.split(":"))
    verifier = package.AsyncVerifier(issuer, audience=["keyfob", RESOURCE], client=client)

    async def route(scope: Any, _: Any, send: Send) -> None:
        is_feed = scope["path"] == "/feed"
        await _answer(send, 200, str(verifier.metrics.feed).encode() if is_feed else b"{}")

    protected: App = asgi.KeyfobMiddleware(route, verifier, public=("/feed",))
    return protected


def with_introspection(issuer: str, credentials: str) -> App:
    """Protect the route by introspection, over connections that cost as little as they can."""
    where = urlsplit(issuer)
    idle: list[Connection] = []

    async def is_active(token: str) -> bool:
        connection = idle.pop() if idle else Connection(str(where.hostname), int(where.port or 80))
        headers = {"authorization": basic(credentials)}
        wire = request("POST", "/oauth2/introspect", form={"token": token}, headers=headers)
        answer = await connection.send(wire)
        idle.append(connection)
        return bool(json.loads(answer.body)["active"])

    async def route(scope: Any, _: Any, send: Send) -> None:
        given = dict(scope["headers"]).get(b"authorization", b"").decode().partition(" ")[2]
        is_good = scope["path"] == "/feed" or await is_active(given)
        await _answer(send, 200 if is_good else 401, b"{}")

    return route


def basic(credentials: str) -> str:
    """Return the header for an id and a secret with a colon between (RFC 7617)."""
    return "Basic " + base64.b64encode(credentials.encode()).decode()


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    main()
