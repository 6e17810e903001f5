"""Somebody who signs in to an app by code, whoever provides the accounts.

They are signed in at the provider and have allowed the app before: so it answers a request at once.
"""

import base64
import hashlib
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from bench.harness.browsing import Browser
from bench.harness.load import Answer, Connection, Refused, request

CALLBACK = "https://app.bench.example/callback"
SCOPE = "openid profile email"
_VERIFIER = "v" * 43
_CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest()).rstrip(b"=")
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NONCE = re.compile(rb"\r\ndpop-nonce: ([^\r]+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: ([^\r]+)", re.IGNORECASE)


class Endpoints(NamedTuple):
    """Where a provider listens: paths, and the URLs that are signed."""

    authorize: str
    token: str
    par: str
    issuer: str
    token_url: str


class Key:
    """A key of an app for ES256: it signs assertions and proofs."""

    def __init__(self, number: int | None = None) -> None:
        """Make a new key, or the one of a number: for a provider that is told of it beforehand."""
        curve = ec.SECP256R1()
        self._key = (
            ec.derive_private_key(number, curve) if number else ec.generate_private_key(curve)
        )
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._jwk = {name: public[name] for name in ("kty", "crv", "x", "y")}
        self.public = {**self._jwk, "kid": "bench", "alg": "ES256", "use": "sig"}
        self._nonce = ""

    def assertion(self, client_id: str, issuer: str) -> dict[str, str]:
        """Return the fields that authenticate a client (RFC 7523 section 2.2)."""
        claims = {"iss": client_id, "sub": client_id, "aud": issuer, **_once(60)}
        signed = jwt.encode(claims, self._key, "ES256", headers={"kid": "bench"})
        return {"client_assertion_type": _ASSERTION, "client_assertion": signed}

    def proof(self, url: str) -> dict[str, str]:
        """Return the header that proves the key at a URL (RFC 9449 section 4)."""
        nonce = {"nonce": self._nonce} if self._nonce else {}
        claims = {"htm": "POST", "htu": url, **nonce, **_once(60)}
        headers = {"typ": "dpop+jwt", "jwk": self._jwk}
        return {"dpop": jwt.encode(claims, self._key, "ES256", headers=headers)}

    def learn(self, answer: Answer) -> None:
        """Take over the nonce that the server wants next."""
        if found := _NONCE.search(answer.head):
            self._nonce = found[1].decode()


def _once(seconds: int) -> dict[str, Any]:
    now = int(time.time())
    return {"jti": uuid.uuid4().hex, "iat": now, "exp": now + seconds}


# What a person does at the provider's page at the first time; leads to the app.
Pages = Callable[[Answer], Awaitable[str]]


@dataclass(kw_only=True)
class AppUser:
    """A person with a browser, and one app, which has a secret or a key."""

    connection: Connection
    browser: Browser
    endpoints: Endpoints
    client_id: str
    secret: str = ""
    key: Key = field(default_factory=Key)
    pages: Pages | None = None

    _code: ClassVar = {"grant_type": "authorization_code", "redirect_uri": CALLBACK}

    @property
    def asked(self) -> dict[str, str]:
        """What the app asks for."""
        return {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": SCOPE,
            "state": "of the bench",
            "code_challenge": _CHALLENGE.decode(),
            "code_challenge_method": "S256",
        }

    async def code(self, asked: dict[str, str]) -> str:
        """Go where the app sends its user, and return the code that comes back."""
        answer = await self.browser.get(f"{self.endpoints.authorize}?{urlencode(asked)}")
        while (place := place_of(answer)) and not place.startswith(CALLBACK):
            answer = await self.browser.get(path_of(place))
        if not place and self.pages:
            place = await self.pages(answer)
        code = parse_qs(urlsplit(place).query).get("code")
        if code is None:
            raise Refused(answer)
        return code[0]

    async def sign_in_by_secret(self) -> int:
        """Sign in to the app, which authenticates by the Basic scheme."""
        return (await self.tokens_by_secret()).status

    async def tokens_by_secret(self) -> Answer:
        """As `sign_in_by_secret`; return the answer with the tokens."""
        form = {**self._code, "code": await self.code(self.asked), "code_verifier": _VERIFIER}
        basic = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        return await self._tokens(form, {"authorization": f"Basic {basic}"})

    async def sign_in_by_key(self) -> int:
        """Sign in to the app by a pushed request, `private_key_jwt` and DPoP."""
        named = {"client_id": self.client_id}
        pushed = await self._post(self.endpoints.par, {**self.asked, **self._assertion()}, {})
        uri = {"request_uri": str(json.loads(pushed.body)["request_uri"])}
        code = await self.code({**named, **uri})
        form = {**self._code, **named, "code": code, "code_verifier": _VERIFIER}
        proof = self.key.proof(self.endpoints.token_url)
        return (await self._tokens({**form, **self._assertion()}, proof)).status

    async def learn_nonce(self) -> None:
        """Show a proof with a code that is none: the answer may tell a nonce."""
        proof = self.key.proof(self.endpoints.token_url)
        form = {**self._code, "client_id": self.client_id, "code": "none", **self._assertion()}
        wire = request("POST", self.endpoints.token, form=form, headers=proof)
        self.key.learn(await self.connection.send(wire))

    def _assertion(self) -> dict[str, str]:
        return self.key.assertion(self.client_id, self.endpoints.issuer)

    async def _tokens(self, form: dict[str, str], headers: dict[str, str]) -> Answer:
        answer = await self._post(self.endpoints.token, form, headers)
        assert b'"id_token":' in answer.body, answer
        return answer

    async def _post(self, path: str, form: dict[str, str], headers: dict[str, str]) -> Answer:
        answer = await self.connection.send(request("POST", path, form=form, headers=headers))
        self.key.learn(answer)
        if answer.status not in {200, 201}:
            raise Refused(answer)
        return answer


def place_of(answer: Answer) -> str:
    """Return where an answer leads; empty if nowhere."""
    found = _LOCATION.search(answer.head)
    return found[1].decode() if found else ""


def path_of(url: str) -> str:
    """Return path and query of a URL."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
