"""The value of a verified access token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keyfob_client.errors import InsufficientAuthentication, InsufficientRole, InsufficientScope


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A verified access token (RFC 9068 section 2.2). It does not hold the token's text.

    Attributes:
        subject: the user, or the client of a service account (`sub`).
        client_id: the client that the token was issued to.
        scope: what the token permits.
        roles: the user's roles; none for a service account.
        audience: the services that it is for, ours among them.
        issued_at: when it was issued, in seconds since 1970.
        expires_at: when it expires, likewise.
        auth_time: when the user signed in, likewise; None if no sign-in stands behind the token.
        acr: how strong that sign-in was.
        amr: the methods of that sign-in (RFC 8176).
        token_id: its own id (`jti`).
        session_id: the session, grant or API key that it belongs to (`sid`); of a service account,
            its own id.
        key_id: the key that signed it (`kid`).
        claims: all of its claims.
    """

    subject: str
    client_id: str | None
    scope: frozenset[str]
    roles: frozenset[str]
    audience: tuple[str, ...]
    issued_at: int
    expires_at: int
    auth_time: int | None
    acr: str | None
    amr: tuple[str, ...]
    token_id: str | None
    session_id: str | None
    key_id: str | None
    claims: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def is_user(self) -> bool:
        """True if it speaks for a person.

        A service account is its own subject (RFC 9068 section 2.2). A token that another client got
        for it (RFC 8693) names that client, but its session is the account's own still.
        """
        return self.subject not in (self.client_id, self.session_id)

    def require_user(self) -> None:
        """Refuse a service account.

        Raises:
            InsufficientRole: the token speaks for no person.
        """
        if not self.is_user:
            raise InsufficientRole

    def require_role(self, *roles: str) -> None:
        """Refuse whoever has none of these roles.

        Raises:
            InsufficientRole: none of them is among the token's.
        """
        if self.roles.isdisjoint(roles):
            raise InsufficientRole

    def require_scope(self, *scope: str) -> None:
        """Refuse a token that lacks any of these scopes.

        Raises:
            InsufficientScope: one of them is missing; the challenge names all.
        """
        if not self.scope.issuperset(scope):
            raise InsufficientScope(scope)

    def require_recent_sign_in(self, max_age: int, *, now: float) -> None:
        """Refuse if the user has not signed in within the last `max_age` seconds (RFC 9470).

        Raises:
            InsufficientAuthentication: the sign-in is older, or there was none.
        """
        if self.auth_time is None or self.auth_time + max_age < now:
            raise InsufficientAuthentication(max_age=max_age)

    def require_acr(self, *acr_values: str) -> None:
        """Refuse a sign-in whose strength is none of these (RFC 9470).

        Raises:
            InsufficientAuthentication: the challenge names those that would do.
        """
        if self.acr not in acr_values:
            raise InsufficientAuthentication(acr_values=acr_values)
