"""Programs that get tokens for themselves and introspect them, as contestants are asked for it."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.harness.load import Connection, Step, request
from bench.peers.steps import again, succeed


@dataclass(frozen=True)
class GetsTokens:
    """Gets a token for itself, again and again (RFC 6749 section 4.4), by the Basic scheme.

    Args:
        path: of the token endpoint.
        credentials: id and secret.
        form: what it asks for beside the grant.
        alg: what a JWT must be signed with; a token is opaque if empty.
    """

    path: str
    credentials: tuple[str, str]
    form: Mapping[str, str] = field(default_factory=dict)
    alg: str = ""

    @property
    def headers(self) -> dict[str, str]:
        basic = base64.b64encode(":".join(self.credentials).encode()).decode()
        return {"authorization": f"Basic {basic}"}

    @property
    def wire(self) -> bytes:
        form = {"grant_type": "client_credentials", **self.form}
        return request("POST", self.path, form=form, headers=self.headers)

    async def token(self, connection: Connection) -> str:
        """Get one, and see that it is what it is taken for."""
        token: str = (await succeed(connection, self.wire)).json()["access_token"]
        assert _alg(token) == self.alg, f"signed by {_alg(token) or 'nobody'}, not {self.alg}"
        return token

    async def __call__(self, connection: Connection, _: int) -> Step:
        await self.token(connection)
        return again(connection, self.wire, holds=b'"access_token":')


@dataclass(frozen=True)
class IntrospectsItsOwn:
    """Introspects one token of its own (RFC 7662).

    Args:
        tokens: where it comes from.
        path: of the introspection endpoint.
        port_of: where that listens, given the port of the token endpoint.
    """

    tokens: GetsTokens
    path: str
    port_of: Callable[[int], int] = int  # the same

    async def __call__(self, connection: Connection, _: int) -> Step:
        form = {"token": await self.tokens.token(connection)}
        wire = request("POST", self.path, form=form, headers=self.tokens.headers)
        there = Connection(connection.host, self.port_of(connection.port))
        return again(there, wire, holds=b'"active":true')


def _alg(token: str) -> str:
    """The algorithm of a JWT; empty for a token that is none."""
    head, *others = token.split(".")
    if len(others) != 2:
        return ""
    alg: str = json.loads(base64.urlsafe_b64decode(head + "=="))["alg"]
    return alg
