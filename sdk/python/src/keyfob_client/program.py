"""The service as a client of the issuer: how it proves who it is, and its own access token."""

import asyncio
import base64
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote_plus

import httpx
import jwt

from keyfob_client.discovery import Metadata
from keyfob_client.errors import IssuerNotReached
from keyfob_client.fetching import Answer, ask

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 60
# Of a token's life; the rest is for the way to whoever checks it, and for a renewal that fails.
_USED_SHARE = 0.8


class Proof(NamedTuple):
    """The parts of a request that authenticate a client."""

    headers: Mapping[str, str]
    form: Mapping[str, str]


class Client(Protocol):
    """A registered client of the issuer."""

    @property
    def client_id(self) -> str:
        """Its id."""

    def prove(self, issuer: str, now: float) -> Proof:
        """Return what authenticates one request to the issuer."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client with a secret, by HTTP Basic (`client_secret_basic`, RFC 6749 section 2.3.1)."""

    client_id: str
    secret: str = field(repr=False)

    def prove(self, issuer: str, now: float) -> Proof:
        """Return the header; both halves are encoded before they become HTTP Basic."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
        basic = base64.b64encode(pair.encode()).decode("ascii")
        return Proof({"Authorization": f"Basic {basic}"}, {})


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client that signs what it proves (`private_key_jwt`, RFC 7523 section 2.2).

    Attributes:
        client_id: its id.
        key: its private key: PEM, or a key of cryptography.
        kid: the id of the key in the client's key set.
        algorithm: the algorithm to sign with.
    """

    client_id: str
    key: Any = field(repr=False)
    kid: str | None = None
    algorithm: str = "EdDSA"

    def prove(self, issuer: str, now: float) -> Proof:
        """Return an assertion for the issuer alone (`aud`), good for one request."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": int(now),
            "exp": int(now) + _ASSERTION_SECONDS,
        }
        headers = {"kid": self.kid} if self.kid else None
        signed = jwt.encode(claims, self.key, algorithm=self.algorithm, headers=headers)
        return Proof({}, {"client_assertion_type": _ASSERTION, "client_assertion": signed})


class Issued(NamedTuple):
    """A token that the issuer gave."""

    token: str
    lifetime: float


class TokenRefused(IssuerNotReached):
    """The token endpoint refused; the message has the error code (RFC 6749 section 5.2)."""

    def __init__(self, answer: Answer, code: str) -> None:
        super().__init__(f"the token endpoint answers {answer.status} {code}")
        self.status, self.code = answer.status, code


class TokenEndpoint:
    """Asks for tokens in the name of a client."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        issuer: str,
        client: Client,
        *,
        metadata: Callable[[], Awaitable[Metadata]],
        clock: Callable[[], float],
    ) -> None:
        self._http = http
        self._client = client
        self._metadata = metadata
        self._clock = clock
        self.issuer = issuer

    async def ask(self, **form: str) -> Issued:
        """Return the token that the issuer gives for this form.

        Raises:
            TokenRefused: the issuer said no.
            IssuerNotReached: it said nothing, or nothing that is a token.
        """
        endpoint = (await self._metadata()).token_endpoint
        if endpoint is None:
            raise IssuerNotReached("the issuer has no token endpoint")
        proof = self._client.prove(self.issuer, self._clock())
        answer = await ask(
            self._http, "POST", endpoint, data={**form, **proof.form}, headers=proof.headers
        )
        if answer.status != 200:
            raise TokenRefused(answer, _code_of(answer))
        return _read(answer.json())


def _code_of(answer: Answer) -> str:
    try:
        document = answer.json()
    except IssuerNotReached:
        return ""
    code = document.get("error") if isinstance(document, dict) else None
    return code if isinstance(code, str) else ""


def _read(document: object) -> Issued:
    if isinstance(document, dict):
        token, lifetime = document.get("access_token"), document.get("expires_in")
        is_bearer = str(document.get("token_type")).lower() == "bearer"
        if is_bearer and isinstance(token, str) and isinstance(lifetime, int | float):
            return Issued(token, float(lifetime))
    raise IssuerNotReached("the token endpoint gives no bearer token with an end")


class OwnToken:
    """The access token of the service itself (`client_credentials`), renewed before it expires.

    All of it runs in one event loop; any number of callers lead to one request.
    """

    def __init__(self, endpoint: TokenEndpoint, *, scope: str, resource: str) -> None:
        self._endpoint = endpoint
        self._asks_for = {"scope": scope, "resource": resource}
        self._token: str | None = None
        self._renew_at = 0.0
        self._flight: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """Return the token.

        Raises:
            IssuerNotReached: there is none; the message says why.
        """
        if self._token is not None and time.monotonic() < self._renew_at:
            return self._token
        if self._flight is None:
            self._flight = asyncio.create_task(self._renew())
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    def discard(self) -> None:
        """Forget the token, since it was refused."""
        self._token = None

    def _landed(self, flight: "asyncio.Task[str]") -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # whoever waits has it

    async def _renew(self) -> str:
        issued = await self._endpoint.ask(grant_type="client_credentials", **self._asks_for)
        self._token = issued.token
        self._renew_at = time.monotonic() + issued.lifetime * _USED_SHARE
        return issued.token
