"""People who sign in to apps: a browser and the app behind it, as far as the service sees them."""

import asyncio
import base64
import json
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from bench.harness.servers import ADMIN

from drills.harness.wire import HOST, PATIENCE

CALLBACK = "https://app.drills.example/callback"
_PASSWORD = "a password of the drill 7"
# RFC 7636 appendix B.
_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
# Of one user and app, twenty may live; what is older was ended by what came later.
_KEPT = 15


@dataclass(frozen=True)
class App:
    """A client, and its secret if it has one."""

    id: str
    secret: str | None

    @property
    def auth(self) -> httpx.Auth:
        return httpx.BasicAuth(self.id, self.secret) if self.secret else httpx.Auth()


class Office:
    """An administrator, who registers apps."""

    def __init__(self, port: int) -> None:
        self.api = httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=PATIENCE)

    async def open(self) -> None:
        """Sign in."""
        email, password = ADMIN
        answer = await self.api.post("/login", json={"email": email, "password": password})
        token = answer.raise_for_status().json()["access_token"]
        self.api.headers["Authorization"] = f"Bearer {token}"

    async def register(self, **fields: Any) -> App:
        """Register an app with a server, which people trust, unless it says otherwise."""
        body = {
            "name": "Ledger",
            "kind": "web",
            "redirect_uris": [CALLBACK],
            "first_party": True,
            **fields,
        }
        made = await self.api.post("/admin/clients", json=body)
        client_id = made.raise_for_status().json()["id"]
        if body["kind"] != "web":
            return App(client_id, None)
        secret = await self.api.post(f"/admin/clients/{client_id}/secrets")
        return App(client_id, secret.raise_for_status().json()["client_secret"])


@dataclass(eq=False)
class Member:
    """A person with a browser who signs in to an app, again and again.

    Args:
        asking: the requests under way of all members.
        given: the newest answers with tokens; the app has them.
        lost: how many answers of the token endpoint did not come.
        repeated: what the same code gave when it was shown again: a status for each time.
        wrong: answers that nothing excuses.
    """

    port: int
    app: App
    asking: set[object]
    user_id: str = ""
    given: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    acknowledged: int = 0
    refused: int = 0
    lost: int = 0
    repeated: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stopping: bool = False

    def __post_init__(self) -> None:
        self.browser = httpx.AsyncClient(
            base_url=f"http://{HOST}:{self.port}",
            timeout=PATIENCE,
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        self.server = httpx.AsyncClient(base_url=f"http://{HOST}:{self.port}", timeout=PATIENCE)
        self.access = ""

    async def join(self) -> None:
        """Sign up, and sign in at the page."""
        email = f"{secrets.token_hex(8)}@drills.example"
        credentials = {"email": email, "password": _PASSWORD}
        made = await self.server.post("/register", json=credentials)
        while made.status_code == 503:  # all come at once, and a hash is being computed
            await asyncio.sleep(0.2)
            made = await self.server.post("/register", json=credentials)
        self.access = made.raise_for_status().json()["access_token"]
        self.user_id = claims_of(self.access)["sub"]
        answer = await self.browser.post("/ui/sign-in", data=credentials)
        while answer.status_code == 503:
            await asyncio.sleep(0.2)
            answer = await self.browser.post("/ui/sign-in", data=credentials)
        if answer.status_code != 303:
            raise RuntimeError(f"nobody can sign in: {answer.status_code}")

    @staticmethod
    def sid(given: Mapping[str, Any]) -> str:
        """Return the id of the grant of some tokens."""
        return str(claims_of(given["access_token"])["sid"])

    async def authorize(self, **more: str) -> httpx.Response:
        """Send the browser to the authorization endpoint."""
        query = {
            "response_type": "code",
            "client_id": self.app.id,
            "redirect_uri": CALLBACK,
            "scope": "openid offline_access",
            "code_challenge": _CHALLENGE,
            "code_challenge_method": "S256",
            **more,
        }
        return await self.browser.get("/oauth2/authorize", params=query)

    async def exchange(self, code: str) -> httpx.Response:
        """Exchange a code for tokens."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": _VERIFIER,
        }
        return await self.server.post("/oauth2/token", data=form, auth=self.app.auth)

    async def refresh(self, token: str) -> httpx.Response:
        """Exchange a refresh token for the next."""
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await self.server.post("/oauth2/token", data=form, auth=self.app.auth)

    async def go_on(self) -> None:
        """Sign in to the app until `stopping`; what is under way then is finished."""
        while not self.stopping:
            self.asking.add(self)
            try:
                await self._sign_in()
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            finally:
                self.asking.discard(self)

    async def _sign_in(self) -> None:
        answer = await self.authorize()
        code = code_in(answer)
        if code is None:
            if answer.status_code == 503:
                self.refused += 1
            else:
                self.wrong.append(f"authorize answered {answer.status_code}")
            await asyncio.sleep(0.1)
            return
        has_lost = False  # also with a refusal, which may have come after the commit
        while True:
            try:
                answer = await self.exchange(code)
            except httpx.TransportError:
                has_lost = True
                self.lost += 1
                await asyncio.sleep(0.1)
                continue
            if answer.status_code != 503:
                break
            has_lost = True
            self.refused += 1
            await asyncio.sleep(0.1)
        self._note(answer, has_lost=has_lost)

    def _note(self, answer: httpx.Response, *, has_lost: bool) -> None:
        if has_lost:
            self.repeated.append(answer.status_code)
        if answer.status_code == 200:
            self.acknowledged += 1
            self.given.append(answer.json())
        elif not (has_lost and answer.json().get("error") == "invalid_grant"):
            self.wrong.append(f"token answered {answer.status_code}: {answer.text[:80]}")


def code_in(answer: httpx.Response) -> str | None:
    """Return the code of a redirect to the app; None if it is something else."""
    place: str = answer.headers.get("location", "")
    if answer.status_code != 303 or not place.startswith(CALLBACK):
        return None
    [code] = parse_qs(urlsplit(place).query).get("code", [None])
    return code


def claims_of(token: str) -> Mapping[str, Any]:
    """Return the claims of an access token, unverified."""
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims
