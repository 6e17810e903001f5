"""People who sign in to an app by code: they have a session, and have allowed the app before."""

import base64
import hashlib
import html
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from bench.harness.browsing import PREFIX, Browser, text_of
from bench.harness.clients import PASSWORD, registered
from bench.harness.load import Answer, Connection, Refused, Step, request
from bench.harness.servers import ADMIN

CALLBACK = "https://app.bench.example/callback"
SCOPE = "openid profile email"
_VERIFIER = "v" * 43
_CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest()).rstrip(b"=")
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NONCE = re.compile(rb"\r\ndpop-nonce: ([^\r]+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: ([^\r]+)", re.IGNORECASE)
_HIDDEN = re.compile(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"')


async def signs_in_by_code(connection: Connection, _: int) -> Step:
    """Signs in to an app with a secret, again and again: a code, and its exchange for tokens."""
    return (await _signed_up(connection, auth_method="client_secret_basic")).sign_in_by_secret


async def signs_in_as_fapi_asks(connection: Connection, _: int) -> Step:
    """Signs in to an app by a pushed request, DPoP and private_key_jwt, as FAPI 2.0 asks for."""
    key = _Key()
    asked = {"profile": "fapi2", "auth_method": "private_key_jwt", "jwks": {"keys": [key.public]}}
    person = await _signed_up(connection, key, **asked)
    return person.sign_in_by_key


async def asks_userinfo(connection: Connection, _: int) -> Step:
    """Asks what an app may know of its user, with one token."""
    person = await _signed_up(connection, auth_method="client_secret_basic")
    token = (await person.tokens_by_secret()).json()["access_token"]
    wire = request("GET", "/oauth2/userinfo", token=token)

    async def step() -> int:
        answer = await connection.send(wire)
        assert b'"sub":' in answer.body, answer
        return answer.status

    return step


async def asks_for_codes(connection: Connection, _: int) -> Step:
    """Is sent to the authorization endpoint by an app, again and again, and back with a code."""
    person = await _signed_up(connection, auth_method="client_secret_basic")

    async def step() -> int:
        await person.code(person.asked)
        return 200

    return step


class _Key:
    """A key of a client for ES256: it signs assertions and proofs."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._jwk = {name: public[name] for name in ("kty", "crv", "x", "y")}
        self.public = {**self._jwk, "kid": "bench", "alg": "ES256", "use": "sig"}
        self.nonce = ""

    def assertion(self, client_id: str, issuer: str) -> dict[str, str]:
        """Return the fields that authenticate a client (RFC 7523 section 2.2)."""
        claims = {"iss": client_id, "sub": client_id, "aud": issuer, **_once(60)}
        signed = jwt.encode(claims, self._key, "ES256", headers={"kid": "bench"})
        return {"client_assertion_type": _ASSERTION, "client_assertion": signed}

    def proof(self, url: str) -> dict[str, str]:
        """Return the header that proves the key at a URL (RFC 9449 section 4)."""
        claims = {"htm": "POST", "htu": url, "nonce": self.nonce, **_once(60)}
        headers = {"typ": "dpop+jwt", "jwk": self._jwk}
        return {"dpop": jwt.encode(claims, self._key, "ES256", headers=headers)}

    def learn(self, answer: Answer) -> None:
        """Take over the nonce that the server wants next."""
        if found := _NONCE.search(answer.head):
            self.nonce = found[1].decode()


def _once(seconds: int) -> dict[str, Any]:
    now = int(time.time())
    return {"jti": uuid.uuid4().hex, "iat": now, "exp": now + seconds}


@dataclass(kw_only=True)
class _Person:
    """Somebody who is signed in here and uses one app, which has a secret or a key."""

    connection: Connection
    browser: Browser
    client_id: str
    metadata: dict[str, str]
    secret: str = ""
    key: _Key = field(default_factory=_Key)

    _code: ClassVar = {"grant_type": "authorization_code", "redirect_uri": CALLBACK}

    @property
    def asked(self) -> dict[str, str]:
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
        """Go where the app sends its user, allow it what it asks for, and return its code."""
        answer = await self.browser.get(f"{PREFIX}/oauth2/authorize?{urlencode(asked)}")
        while (place := _place(answer)).startswith(PREFIX):
            answer = await self.browser.get(place)
        if not place:
            hidden = _HIDDEN.findall(text_of(answer))
            form = {name: html.unescape(value) for name, value in hidden} | {"decision": "allow"}
            answer = await self.browser.post(f"{PREFIX}/ui/authorize", **form)
            place = _place(answer) or _place_of_page(answer)
        if not place.startswith(CALLBACK):
            raise Refused(answer)
        return parse_qs(urlsplit(place).query)["code"][0]

    async def tokens_by_secret(self) -> Answer:
        form = {**self._code, "code": await self.code(self.asked), "code_verifier": _VERIFIER}
        basic = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        headers = {"authorization": f"Basic {basic}"}
        return await self._post("/oauth2/token", form, headers)

    async def tokens_by_key(self) -> Answer:
        named = {"client_id": self.client_id}
        pushed = await self._post("/oauth2/par", {**self.asked, **self._assertion()}, {})
        uri = {"request_uri": pushed.json()["request_uri"]}
        code = await self.code({**named, **uri})
        form = {**self._code, **named, "code": code, "code_verifier": _VERIFIER}
        proof = self.key.proof(self.metadata["token_endpoint"])
        return await self._post("/oauth2/token", {**form, **self._assertion()}, proof)

    async def sign_in_by_secret(self) -> int:
        return (await self.tokens_by_secret()).status

    async def sign_in_by_key(self) -> int:
        return (await self.tokens_by_key()).status

    async def learn_nonce(self) -> None:
        """Show a proof without a nonce, which is refused and told one."""
        proof = self.key.proof(self.metadata["token_endpoint"])
        form = {**self._code, "client_id": self.client_id, "code": "none", **self._assertion()}
        wire = request("POST", "/oauth2/token", form=form, headers=proof)
        self.key.learn(await self.connection.send(wire))
        assert self.key.nonce

    def _assertion(self) -> dict[str, str]:
        return self.key.assertion(self.client_id, self.metadata["issuer"])

    async def _post(self, path: str, form: dict[str, str], headers: dict[str, str]) -> Answer:
        answer = await self.connection.send(request("POST", path, form=form, headers=headers))
        self.key.learn(answer)
        if answer.status not in {200, 201}:
            raise Refused(answer)
        return answer


def _place(answer: Answer) -> str:
    found = _LOCATION.search(answer.head)
    return found[1].decode() if found else ""


def _place_of_page(page: Answer) -> str:
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', text_of(page))
    return html.unescape(found[1]) if found else ""


async def _signed_up(connection: Connection, key: _Key | None = None, **fields: Any) -> _Person:
    """Register an app of its own, sign somebody new in, and let them allow it everything."""
    email, _tokens = await registered(connection)
    browser = Browser(connection)
    await browser.sign_in(email, PASSWORD)
    client_id, secret = await _register_app(connection, needs_secret=key is None, **fields)
    found = await connection.send(request("GET", "/.well-known/openid-configuration"))
    person = _Person(
        connection=connection,
        browser=browser,
        client_id=client_id,
        metadata=found.json(),
        secret=secret,
        key=key or _Key(),
    )
    if key is None:
        await person.sign_in_by_secret()
    else:
        await person.learn_nonce()
        await person.sign_in_by_key()
    return person


async def _register_app(
    connection: Connection, *, needs_secret: bool, **fields: Any
) -> tuple[str, str]:
    email, password = ADMIN
    signed_in = await connection.send(
        request("POST", "/login", body={"email": email, "password": password})
    )
    admin = signed_in.json()["access_token"]
    asked = {"name": "Bench", "kind": "web", "redirect_uris": [CALLBACK], **fields}
    made = await connection.send(request("POST", "/admin/clients", token=admin, body=asked))
    assert made.status == 201, made
    client_id = made.json()["id"]
    if not needs_secret:
        return client_id, ""
    path = f"/admin/clients/{client_id}/secrets"
    secret = await connection.send(request("POST", path, token=admin, body={}))
    return client_id, secret.json()["client_secret"]
