"""Refresh tokens of apps, for their next tokens (OAuth 2.1 section 4.3)."""

from collections.abc import Collection
from dataclasses import dataclass

from keyfob.clients.models import AuthenticatedClient, Grant
from keyfob.core.forms import Form
from keyfob.oauth.app_tokens import AppTokens
from keyfob.oauth.claims import scopes_of
from keyfob.oauth.errors import InvalidGrant, InvalidScope, InvalidTarget
from keyfob.oauth.models import GivenToken
from keyfob.sessions.errors import InvalidRefreshToken
from keyfob.sessions.grants import Grants
from keyfob.sessions.models import AskedClaims


@dataclass(frozen=True, kw_only=True)
class RefreshTokenGrant:
    """Moves a grant to its next generation, as a refresh of our own sign-ins does.

    The answer may be lost: within the grace time the same tokens are given again. A client may be
    registered for tokens that stay (`rotate_refresh`), as FAPI 2.0 section 5.3.2.1 asks for.
    """

    grants: Grants
    tokens: AppTokens
    grant = Grant.REFRESH_TOKEN

    async def give(self, shown: AuthenticatedClient, form: Form) -> GivenToken:
        """Return the next tokens; `scope` and `resource` may narrow the access token.

        Raises:
            InvalidGrant: the token is not valid, or another client's, or bound to another key.
            InvalidScope, InvalidTarget: more is asked for than was granted.
            BadRequest: there is no token.
            TooManyRequests: it refreshes more often than the limit allows.
        """
        client, text = shown.client, form.need("refresh_token")
        named, asked = form.list_all("resource"), form.get("scope")
        try:
            granted = await self.grants.find(text, client.id)
            if granted.jkt not in {None, shown.jkt}:
                raise InvalidGrant("The token is bound to another key")
            if asked is not None and not set(asked.split()) <= set(granted.scope):
                raise InvalidScope
            if not set(named) <= set(granted.audience):
                raise InvalidTarget
            opened = await self.grants.refresh(text, client.id, rotates=client.rotate_refresh)
        except InvalidRefreshToken:
            raise InvalidGrant from None
        narrowed = granted._replace(audience=named or granted.audience)
        if asked is not None:
            scope = tuple(asked.split())
            gone = set(granted.scope) - set(scope)
            narrowed = narrowed._replace(scope=scope, claims=_without(granted.claims, gone))
        return await self.tokens.give(shown, narrowed, opened, nonce=None)


def _without(claims: AskedClaims, gone: Collection[str]) -> AskedClaims:
    """Return the claims without those of scopes that are given up, though each has been named."""
    kept = ([name for name in names if not {*scopes_of([name])} & {*gone}] for names in claims)
    return AskedClaims(*map(tuple, kept))
