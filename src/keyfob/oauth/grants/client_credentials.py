"""Tokens that a service account gets for itself (RFC 6749 section 4.4)."""

from dataclasses import dataclass

from keyfob.authority.models import Permission
from keyfob.clients.models import AuthenticatedClient, Grant
from keyfob.core.forms import Form
from keyfob.oauth.models import GivenToken
from keyfob.oauth.targets import Targets
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.models import AccessClaims


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """Issues a client a token of its own, without a row or a refresh token (section 4.4.3)."""

    targets: Targets
    tokens: AccessTokens
    grant = Grant.CLIENT_CREDENTIALS

    async def give(self, shown: AuthenticatedClient, form: Form) -> GivenToken:
        """Return a token of the client's present generation; a later generation revokes it.

        Raises:
            InvalidTarget, InvalidScope: see `Targets.choose`.
            NoSigningKey: no key is loaded.
        """
        client = shown.client
        # A program has no account of its own, whatever an app may ask of its users.
        scope = set(client.scope) - {Permission.ACCOUNT_READ}
        target = self.targets.choose(
            client, form.list_all("resource"), form.get("scope"), within=scope
        )
        claims = AccessClaims(
            subject=client.id,
            session_id=client.id,
            generation=client.generation,
            sub_gen=client.generation,
            client_id=str(client.id),
            client_gen=client.generation,
            scope=target.scope,
            audience=target.audience,
            ends_at=shown.ends_at,
            secret_ends_at=shown.ends_at,
            jkt=shown.jkt,
        )
        token, lifetime = self.tokens.issue(claims, target.ttl)
        return GivenToken(token, lifetime, target.scope)
