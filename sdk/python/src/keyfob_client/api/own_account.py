"""The calls of users about their own account, written once for both clients."""

from collections.abc import Sequence
from typing import Any

from keyfob_client.api.flow import Call, Flow
from keyfob_client.api.operations import Listing, listing, operation
from keyfob_client.api.results import (
    ApiKey,
    BegunTotp,
    Ceremony,
    Factor,
    Factors,
    Grant,
    LoginEvent,
    NewApiKey,
    NewPasskey,
    OwnUser,
    PlannedErasure,
    RecoveryCodes,
    Session,
)
from keyfob_client.api.signing_in import Json, Moment, SignIn, at, given
from keyfob_client.api.stores import Tokens


class OwnAccount(SignIn):
    """The calls of a user about the own account."""

    @operation
    def me(self) -> Flow[OwnUser]:
        """Return the user who is signed in."""
        return self.asks("GET", "/me")

    @operation
    def change_profile(self, /, **fields: Any) -> Flow[OwnUser]:
        """Change `name`, `locale` or `timezone`; what is absent stays."""
        return self.asks("PATCH", "/me", fields)

    @operation
    def change_password(self, current_password: str, password: str) -> Flow[Tokens]:
        """Change the password; all other sessions end."""
        body = {"current_password": current_password, "password": password}
        return self.exchange("/me/password", body)

    @operation
    def change_email(self, email: str) -> Flow[None]:
        """Have a link sent to a new address, which becomes that of the account once it is used."""
        return self.asks("POST", "/me/email", {"email": email})

    @operation
    def confirm_email(self, token: str) -> Flow[None]:
        """Take the new address, by the token of that link."""
        yield from self.send(Call("POST", "/me/email/confirm", {"token": token}))

    @operation
    def export(self) -> Flow[Json]:
        """Return all that Keyfob knows of the user."""
        return self.asks("GET", "/me/export")

    @operation
    def leave(self) -> Flow[PlannedErasure]:
        """Ask for the erasure of the account, which `keep` takes back until it is done."""
        return self.asks("DELETE", "/me")

    @operation
    def keep(self) -> Flow[None]:
        """Keep the account after all."""
        return self.asks("POST", "/me/keep")

    @operation
    def sessions(self) -> Flow[list[Session]]:
        """Return the live sessions of the user; this one has `current`."""
        return self.asks("GET", "/me/sessions")

    @operation
    def end_session(self, session_id: str) -> Flow[None]:
        """End one of them."""
        return self.asks("DELETE", at("/me/sessions/{}", session_id))

    @operation
    def grants(self) -> Flow[list[Grant]]:
        """Return the apps that have access to the account, by name."""
        return self.asks("GET", "/me/grants")

    @operation
    def take_grant_back(self, client_id: str) -> Flow[None]:
        """Take from one of them all that it has."""
        return self.asks("DELETE", at("/me/grants/{}", client_id))

    @listing
    def logins(self) -> Listing[LoginEvent]:
        """Yield the user's own sign-ins, newest first."""
        return Listing("/me/logins", {})

    @operation
    def factors(self) -> Flow[Factors]:
        """Return the user's factors."""
        return self.asks("GET", "/me/factors")

    @operation
    def begin_totp(self, name: str) -> Flow[BegunTotp]:
        """Begin to add an authenticator app."""
        return self.asks("POST", "/me/factors/totp", {"name": name})

    @operation
    def confirm_totp(self, factor_id: str, code: str) -> Flow[RecoveryCodes]:
        """Add it, by a code that it shows; the first factor brings recovery codes."""
        return self.asks("POST", at("/me/factors/totp/{}/confirm", factor_id), {"code": code})

    @operation
    def new_passkey_options(self) -> Flow[Ceremony]:
        """Return the options of a ceremony that makes a passkey. The ceremony is the caller's."""
        return self.asks("POST", "/me/factors/passkeys/options")

    @operation
    def add_passkey(self, challenge_id: str, name: str, credential: Json) -> Flow[NewPasskey]:
        """Add a passkey.

        Args:
            challenge_id: that of `new_passkey_options`.
            name: the name to show in the list of factors.
            credential: the new passkey, as `toJSON()` in a browser writes it.
        """
        body = {"challenge_id": challenge_id, "name": name, "credential": credential}
        return self.asks("POST", "/me/factors/passkeys", body)

    @operation
    def rename_factor(self, factor_id: str, name: str) -> Flow[Factor]:
        """Give a factor another name."""
        return self.asks("PATCH", at("/me/factors/{}", factor_id), {"name": name})

    @operation
    def remove_factor(self, factor_id: str) -> Flow[None]:
        """Remove a factor."""
        return self.asks("DELETE", at("/me/factors/{}", factor_id))

    @operation
    def new_recovery_codes(self) -> Flow[RecoveryCodes]:
        """Return ten new recovery codes; the old ones are dead."""
        return self.asks("POST", "/me/factors/recovery-codes")

    @operation
    def api_keys(self) -> Flow[list[ApiKey]]:
        """Return the user's API keys."""
        return self.asks("GET", "/me/api-keys")

    @operation
    def create_api_key(
        self, name: str, scope: Sequence[str], *, expires_at: Moment | None = None
    ) -> Flow[NewApiKey]:
        """Create an API key; this answer alone has the key itself, as `api_key`."""
        body = given(name=name, scope=list(scope), expires_at=expires_at)
        return self.asks("POST", "/me/api-keys", body)

    @operation
    def rename_api_key(self, key_id: str, name: str) -> Flow[ApiKey]:
        """Give an API key another name."""
        return self.asks("PATCH", at("/me/api-keys/{}", key_id), {"name": name})

    @operation
    def revoke_api_key(self, key_id: str) -> Flow[None]:
        """Revoke one of them."""
        return self.asks("DELETE", at("/me/api-keys/{}", key_id))
