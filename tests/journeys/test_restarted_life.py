"""The whole life of an account through two workers, with a restart in the middle of every step.

What one process began, another ends: nothing of the way may be in memory alone.
"""

import asyncio
from typing import Any

import pytest
from tests.fixtures.authenticator import Passkey
from tests.fixtures.factors import Authenticator
from tests.fixtures.hostile import claims_of
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import PASSWORD, SignedIn
from tests.journeys.conftest import Instance, Start, wait_until

from keyfob.core.clock import Clock
from keyfob.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ADA, COUNTESS = "ada@example.com", "countess@example.com"
NEW = "a battery of horses"
ORIGIN = "http://localhost:8000"


class Life:
    """A service with two workers, which is restarted on request."""

    def __init__(self, start: Start, settings: Settings, mailbox: Mailbox) -> None:
        self._start = start
        self._given = {
            "DATABASE_URL": settings.dsn,
            "SECRET_KEY": "a secret key that every start knows",
            "SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}",
            "ISSUER": f"{ORIGIN}/auth",
            "VERIFY_EMAIL": "required",
            "WORKERS": 2,
        }
        self.mailbox = mailbox
        self._now = self._begin()

    def _begin(self) -> Instance:
        instance = self._start(**self._given)
        wait_until(lambda: instance.is_ready, seconds=120)
        return instance

    def end(self) -> None:
        assert self._now.stop() == 0

    def _begin_anew(self) -> None:
        self.end()
        self._now = self._begin()

    async def restart(self) -> None:
        """Stop it as an engine of containers would, and start it again."""
        await asyncio.to_thread(self._begin_anew)

    async def call(
        self, method: str, path: str, body: Any = None, by: SignedIn | None = None
    ) -> tuple[int, Any]:
        """Call it on a connection of its own, which any worker may get."""
        headers = by.headers if by else None
        answer = await asyncio.to_thread(self._now.call, method, path, json=body, headers=headers)
        return answer.status_code, answer.json() if answer.content else None

    async def log_in(self, email: str, password: str) -> tuple[int, Any]:
        return await self.call("POST", "/login", {"email": email, "password": password})

    async def token(self, to: str) -> str:
        """Wait for a mail with a link, and return its token."""
        while True:
            if tokens := (await self.mailbox.next(to)).tokens():
                return tokens[0]


def opened(answer: tuple[int, Any]) -> SignedIn:
    """Return the session of an answer with tokens."""
    status, body = answer
    assert status == 200, body
    return SignedIn(body["access_token"], body["refresh_token"], body["session_id"])


async def test_whatever_a_restart_interrupts_is_ended_by_the_next_process(
    start: Start, settings: Settings, mailbox: Mailbox
) -> None:
    life = await asyncio.to_thread(Life, start, settings, mailbox)
    await signs_up_and_recovers(life)
    ada = opened(await life.log_in(ADA, NEW))
    ada = await adds_an_app(life, ada)
    ada = await adds_a_passkey(life, ada)
    ada = await changes_address(life, ada)
    await leaves_and_stays(life, ada)
    await asyncio.to_thread(life.end)


async def signs_up_and_recovers(life: Life) -> None:
    me = {"email": ADA, "password": PASSWORD, "name": "Ada"}
    assert (await life.call("POST", "/register", me))[0] == 202
    await life.restart()
    proof = {"token": await life.token(ADA), "password": PASSWORD}
    assert (await life.call("POST", "/verify-email/confirm", proof))[0] == 200
    old = opened(await life.log_in(ADA, PASSWORD))

    assert (await life.call("POST", "/recover/request", {"email": ADA}))[0] == 202
    await life.restart()
    assert (await life.call("GET", "/me", by=old))[0] == 200
    recovered = {"token": await life.token(ADA), "password": NEW}
    assert (await life.call("POST", "/recover/confirm", recovered))[0] == 204
    assert (await life.call("GET", "/me", by=old))[0] == 401


async def adds_an_app(life: Life, ada: SignedIn) -> SignedIn:
    """Add an authenticator app, and sign in with it; a code that was used stays used."""
    status, begun = await life.call("POST", "/me/factors/totp", {"name": "My phone"}, ada)
    assert status == 201
    app = Authenticator(begun["id"], begun["secret"], Clock())
    await life.restart()
    confirm = f"/me/factors/totp/{begun['id']}/confirm"
    used = app.code()
    assert (await life.call("POST", confirm, {"code": used}, ada))[0] == 200

    status, waits = await life.log_in(ADA, NEW)
    assert (status, waits["code"]) == (401, "mfa_required")
    await life.restart()
    shown = {"mfa_token": waits["mfa_token"], "code": used}
    assert (await life.call("POST", "/login/mfa", shown))[0] == 401
    return opened(await life.call("POST", "/login/mfa", {**shown, "code": app.code(1)}))


async def adds_a_passkey(life: Life, ada: SignedIn) -> SignedIn:
    """Add a passkey, and sign in with it alone."""
    passkey = Passkey(origin=ORIGIN)
    _, begun = await life.call("POST", "/me/factors/passkeys/options", by=ada)
    await life.restart()
    made = passkey.make(begun["options"])
    body = {"challenge_id": begun["challenge_id"], "name": "My key", "credential": made}
    assert (await life.call("POST", "/me/factors/passkeys", body, ada))[0] == 201

    _, asked = await life.call("POST", "/login/passkey/options")
    await life.restart()
    shown = passkey.answer(asked["options"])
    body = {"challenge_id": asked["challenge_id"], "credential": shown}
    signed_in = opened(await life.call("POST", "/login/passkey/verify", body))
    assert (await life.call("POST", "/login/passkey/verify", body))[0] == 401
    return signed_in


async def changes_address(life: Life, ada: SignedIn) -> SignedIn:
    assert (await life.call("POST", "/me/email", {"email": COUNTESS}, ada))[0] == 202
    await life.restart()
    ada = opened(await life.call("POST", "/refresh", {"token": ada.refresh}))
    assert claims_of(ada.access)["acr"] == "aal2"
    proof = {"token": await life.token(COUNTESS)}
    assert (await life.call("POST", "/me/email/confirm", proof, ada))[0] == 204
    assert (await life.call("POST", "/me/email/confirm", proof, ada))[0] == 400
    return ada


async def leaves_and_stays(life: Life, ada: SignedIn) -> None:
    status, planned = await life.call("DELETE", "/me", by=ada)
    assert status == 202
    await life.restart()
    assert (await life.call("GET", "/me", by=ada))[1]["erase_at"] == planned["erase_at"]
    assert (await life.call("POST", "/me/keep", by=ada))[0] == 204
    assert (await life.call("GET", "/me", by=ada))[1]["erase_at"] is None
    await life.mailbox.next(COUNTESS, subject="stay")
