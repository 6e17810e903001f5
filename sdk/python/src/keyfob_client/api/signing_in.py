"""Signing in and out, written once for both clients."""

from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from keyfob_client.api.errors import SignedOut
from keyfob_client.api.flow import Call, Core, Flow
from keyfob_client.api.operations import operation
from keyfob_client.api.results import Ceremony
from keyfob_client.api.stores import Tokens

Json = dict[str, Any]
Moment = datetime | str


def at(path: str, *ids: str) -> str:
    """Return a path with ids in it. Threat: one with a slash would name another route."""
    if not all(text.strip(".") for text in ids):
        raise ValueError("an id is needed")
    return path.format(*(quote(text, safe="") for text in ids))


def given(**fields: Any) -> Json:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


class SignIn(Core):
    """Signing in and out. Each sign-in replaces the tokens that the store holds."""

    def _signs_in(self, path: str, body: Json) -> Flow[Tokens]:
        answer = yield from self.send(Call("POST", path, body))
        return (yield from self._keeps(answer))

    def _keeps(self, answer: httpx.Response) -> Flow[Tokens]:
        release = yield from self.locked()  # a refresh that is under way would win otherwise
        try:
            return self.take(answer)
        finally:
            release()

    def _forgets(self, ended: Tokens) -> Flow[None]:
        release = yield from self.locked()
        try:
            held = self.store.load()
            if held is not None and held.session_id == ended.session_id:
                self.store.save(None)
        finally:
            release()

    def asks(self, method: str, path: str, body: Json | None = None) -> Flow[Any]:
        """Send a request in the name of who is signed in, and return what the answer has."""
        answer = yield from self.call(method, path, body)
        return answer.json() if answer.content else None

    @operation
    def sign_in(self, email: str, password: str) -> Flow[Tokens]:
        """Sign in by password.

        Raises:
            MfaRequired: the account has a second factor: `present_factor`.
            InvalidCredentials: no.
        """
        return self._signs_in("/login", {"email": email, "password": password})

    @operation
    def register(
        self, email: str, password: str, *, name: str | None = None
    ) -> Flow[Tokens | None]:
        """Make an account and sign in; None if the address has to be verified first."""
        body = given(email=email, password=password, name=name)
        answer = yield from self.send(Call("POST", "/register", body))
        return (yield from self._keeps(answer)) if answer.status_code == 201 else None

    @operation
    def request_verification(self, email: str) -> Flow[None]:
        """Have a link sent that verifies an address; nobody is told if there is such an account."""
        yield from self.send(Call("POST", "/verify-email/request", {"email": email}))

    @operation
    def verify_email(self, token: str, password: str) -> Flow[Tokens]:
        """Verify the address by the token of that link, and sign in."""
        return self._signs_in("/verify-email/confirm", {"token": token, "password": password})

    @operation
    def request_recovery(self, email: str) -> Flow[None]:
        """Have a link sent by which a new password is chosen, likewise."""
        yield from self.send(Call("POST", "/recover/request", {"email": email}))

    @operation
    def recover(self, token: str, password: str) -> Flow[None]:
        """Choose a new password by the token of that link; all sessions of the account end."""
        body = {"token": token, "password": password}
        yield from self.send(Call("POST", "/recover/confirm", body))

    @operation
    def present_factor(
        self,
        mfa_token: str,
        *,
        code: str | None = None,
        recovery_code: str | None = None,
        credential: Json | None = None,
    ) -> Flow[Tokens]:
        """Sign in by a second factor: one of a code, a recovery code, and a passkey's answer."""
        shown = given(code=code, recovery_code=recovery_code, credential=credential)
        return self._signs_in("/login/mfa", {"mfa_token": mfa_token, **shown})

    @operation
    def factor_options(self, mfa_token: str) -> Flow[Json]:
        """Return the WebAuthn options for a passkey as second factor."""
        answer = yield from self.send(Call("POST", "/login/mfa/options", {"mfa_token": mfa_token}))
        return dict(answer.json())

    @operation
    def passkey_options(self) -> Flow[Ceremony]:
        """Return the options of a ceremony, to sign in by passkey alone or to reauthenticate."""
        answer = yield from self.send(Call("POST", "/login/passkey/options"))
        found: Ceremony = answer.json()
        return found

    @operation
    def sign_in_by_passkey(self, challenge_id: str, credential: Json) -> Flow[Tokens]:
        """Sign in by passkey.

        Args:
            challenge_id: that of `passkey_options`.
            credential: the passkey's answer, as `toJSON()` in a browser writes it.
        """
        body = {"challenge_id": challenge_id, "credential": credential}
        return self._signs_in("/login/passkey/verify", body)

    @operation
    def reauthenticate(
        self,
        *,
        password: str | None = None,
        code: str | None = None,
        challenge_id: str | None = None,
        credential: Json | None = None,
    ) -> Flow[Tokens]:
        """Prove once more who is there, for what needs a recent sign-in.

        By a password, or by a factor if there is one: a code, or a passkey (`passkey_options`).
        """
        shown = given(
            password=password, code=code, challenge_id=challenge_id, credential=credential
        )
        return self.exchange("/me/reauthenticate", shown)

    @operation
    def access_token(self) -> Flow[str]:
        """Return an access token that is good for a while, for another service."""
        return (yield from self.fresh()).access_token

    @operation
    def sign_out(self) -> Flow[None]:
        """End the session, and forget the tokens; nothing happens if it has ended already."""
        yield from self._ends("/logout")

    @operation
    def sign_out_everywhere(self) -> Flow[None]:
        """End all sessions of the user, this one included."""
        yield from self._ends("/logout-all")

    def _ends(self, path: str) -> Flow[None]:
        held = self.store.load()
        with suppress(SignedOut):
            yield from self.call("DELETE", path)
        if held is not None:
            yield from self._forgets(held)
