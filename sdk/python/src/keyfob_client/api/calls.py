"""The calls of Keyfob's API, written once for both clients."""

from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx

from keyfob_client.api.errors import SignedOut
from keyfob_client.api.flow import Call, Core, Flow
from keyfob_client.api.operations import Listing, listing, operation
from keyfob_client.api.stores import Tokens

Json = dict[str, Any]


def _at(path: str, of: object) -> str:
    """Return a path with an id in it. Threat: one with a slash would name another route."""
    text = str(of)
    if not text.strip("."):
        raise ValueError("an id is needed")
    return path.format(quote(text, safe=""))


def _given(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


class Session(Core):
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

    def _forgets(self) -> Flow[None]:
        release = yield from self.locked()
        try:
            self.store.save(None)
        finally:
            release()

    def _asks(self, method: str, path: str, body: Json | None = None) -> Flow[Any]:
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
    def present_factor(
        self,
        mfa_token: str,
        *,
        code: str | None = None,
        recovery_code: str | None = None,
        credential: Json | None = None,
    ) -> Flow[Tokens]:
        """Sign in by a second factor: one of a code, a recovery code, and a passkey's answer."""
        shown = _given(code=code, recovery_code=recovery_code, credential=credential)
        return self._signs_in("/login/mfa", {"mfa_token": mfa_token, **shown})

    @operation
    def factor_options(self, mfa_token: str) -> Flow[Json]:
        """Return the WebAuthn options for a passkey as second factor."""
        answer = yield from self.send(Call("POST", "/login/mfa/options", {"mfa_token": mfa_token}))
        return dict(answer.json())

    @operation
    def passkey_options(self) -> Flow[Json]:
        """Return `challenge_id` and `options`, to sign in by passkey alone."""
        answer = yield from self.send(Call("POST", "/login/passkey/options"))
        return dict(answer.json())

    @operation
    def sign_in_by_passkey(self, challenge_id: str, credential: Json) -> Flow[Tokens]:
        """Sign in by passkey; the credential is passed on as the browser gave it."""
        body = {"challenge_id": challenge_id, "credential": credential}
        return self._signs_in("/login/passkey/verify", body)

    @operation
    def reauthenticate(
        self,
        *,
        password: str | None = None,
        code: str | None = None,
        credential: Json | None = None,
    ) -> Flow[Tokens]:
        """Prove once more who is there, for what needs a recent sign-in."""
        shown = _given(password=password, code=code, credential=credential)
        answer = yield from self.call("POST", "/me/reauthenticate", shown)
        return (yield from self._keeps(answer))

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
        with suppress(SignedOut):
            yield from self.call("DELETE", path)
        yield from self._forgets()


class OwnAccount(Session):
    """The calls of a user about the own account."""

    @operation
    def me(self) -> Flow[Json]:
        """Return the user who is signed in."""
        return self._asks("GET", "/me")

    @operation
    def sessions(self) -> Flow[list[Json]]:
        """Return the live sessions of the user; this one has `current`."""
        return self._asks("GET", "/me/sessions")

    @operation
    def end_session(self, session_id: str) -> Flow[None]:
        """End one of them."""
        return self._asks("DELETE", _at("/me/sessions/{}", session_id))

    @listing
    def logins(self) -> Listing:
        """Yield the user's own sign-ins, newest first."""
        return Listing("/me/logins", {})

    @operation
    def factors(self) -> Flow[Json]:
        """Return the user's `factors`, and `recovery_codes_left`."""
        return self._asks("GET", "/me/factors")

    @operation
    def begin_totp(self, name: str) -> Flow[Json]:
        """Begin to add an authenticator app; return `id`, `secret`, `uri` and `qr_svg`."""
        return self._asks("POST", "/me/factors/totp", {"name": name})

    @operation
    def confirm_totp(self, factor_id: str, code: str) -> Flow[Json]:
        """Add it; return `recovery_codes` with the first factor."""
        return self._asks("POST", _at("/me/factors/totp/{}/confirm", factor_id), {"code": code})

    @operation
    def remove_factor(self, factor_id: str) -> Flow[None]:
        """Remove a factor."""
        return self._asks("DELETE", _at("/me/factors/{}", factor_id))

    @operation
    def new_recovery_codes(self) -> Flow[Json]:
        """Return ten new `recovery_codes`; the old ones are dead."""
        return self._asks("POST", "/me/factors/recovery-codes")

    @operation
    def api_keys(self) -> Flow[list[Json]]:
        """Return the user's API keys."""
        return self._asks("GET", "/me/api-keys")

    @operation
    def create_api_key(
        self, name: str, scope: list[str], *, expires_at: str | None = None
    ) -> Flow[Json]:
        """Create an API key; this answer alone has the key itself, as `api_key`."""
        body = _given(name=name, scope=scope, expires_at=expires_at)
        return self._asks("POST", "/me/api-keys", body)

    @operation
    def revoke_api_key(self, key_id: str) -> Flow[None]:
        """Revoke one of them."""
        return self._asks("DELETE", _at("/me/api-keys/{}", key_id))


class Calls(OwnAccount):
    """The calls of an administrator. Filters are those of the API, which OpenAPI describes."""

    @listing
    def users(self, /, **filters: Any) -> Listing:
        """Yield users: `search`, `role`, `status`, `online`, `sort`, and `limit` for each page."""
        return Listing("/admin/users", filters)

    @listing
    def all_logins(self, /, **filters: Any) -> Listing:
        """Yield all sign-ins, newest first: `outcome`, `ip_address`, `since`, `until`."""
        return Listing("/admin/logins", filters)

    @listing
    def logins_of(self, user_id: str, /, **filters: Any) -> Listing:
        """Yield the sign-ins of a user, likewise."""
        return Listing(_at("/admin/users/{}/logins", user_id), filters)

    @listing
    def audit(self, /, **filters: Any) -> Listing:
        """Yield the audit log: `action`, `actor_id`, `target_id`, `since`, `until`."""
        return Listing("/admin/audit", filters)

    @operation
    def user(self, user_id: str) -> Flow[Json]:
        """Return a user, with `login_sessions`."""
        return self._asks("GET", _at("/admin/users/{}", user_id))

    @operation
    def create_user(self, /, email: str, password: str, **fields: Any) -> Flow[Json]:
        """Create a user: `role`, `status`, `name`, `must_change_password`."""
        body = {"email": email, "password": password, **fields}
        return self._asks("POST", "/admin/users", body)

    @operation
    def change_user(self, user_id: str, /, **fields: Any) -> Flow[Json]:
        """Change `role`, `status`, `name` or `email`; what is absent stays."""
        return self._asks("PATCH", _at("/admin/users/{}", user_id), fields)

    @operation
    def delete_user(self, user_id: str) -> Flow[None]:
        """Delete a user, whose sessions end."""
        return self._asks("DELETE", _at("/admin/users/{}", user_id))

    @operation
    def sign_user_out(self, user_id: str) -> Flow[None]:
        """End all sessions of a user."""
        return self._asks("DELETE", _at("/admin/users/{}/logout-all", user_id))

    @operation
    def invite(self, user_id: str) -> Flow[None]:
        """Send a user an invitation."""
        return self._asks("POST", _at("/admin/users/{}/invite", user_id))

    @operation
    def reset_factors(self, user_id: str) -> Flow[None]:
        """Remove all factors of a user."""
        return self._asks("POST", _at("/admin/users/{}/factors/reset", user_id))
