"""The tokens of an app: for its API or `userinfo`, for the next tokens, and about the person."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from keyfob.authority.models import OPENID_SCOPES, acr_of
from keyfob.clients.models import AuthenticatedClient, Grant, RegisteredClient
from keyfob.core.encoding import to_base64url
from keyfob.oauth.claims import PersonClaims, scopes_of
from keyfob.oauth.errors import InvalidTarget
from keyfob.oauth.models import GivenToken
from keyfob.oauth.targets import Targets
from keyfob.sessions.grants import Grants
from keyfob.sessions.models import Granted, OpenedSession
from keyfob.sessions.service import present_roles
from keyfob.tokens.id_tokens import IdTokens

_ID_TOKEN_LIVES = 300  # seconds: it tells of a sign-in, and is no pass


@dataclass(frozen=True, kw_only=True)
class AppTokens:
    """Writes what the token endpoint gives an app."""

    grants: Grants
    id_tokens: IdTokens
    claims: PersonClaims
    targets: Targets
    userinfo: str

    async def give(
        self,
        shown: AuthenticatedClient,
        granted: Granted,
        opened: OpenedSession,
        *,
        nonce: str | None,
    ) -> GivenToken:
        """Return an access token, and a refresh token and an ID token where they belong.

        What the client may not ask for any more is left out.

        Raises:
            InvalidTarget: the client may not ask for any of the resources any more.
            NoSigningKey: no key is loaded.
        """
        client = shown.client
        granted = _within(client, granted)
        to = _for_apis(granted) if granted.audience else granted._replace(audience=(self.userinfo,))
        text, lifetime, scope = self.grants.write_access_token(
            opened,
            to,
            generation=client.generation,
            ttl=self.targets.lifetime(client, granted.audience),
            jkt=shown.jkt,
            tells_roles=_tells_roles(granted),
        )
        more: dict[str, object] = {}
        if Grant.REFRESH_TOKEN in client.grants:
            more["refresh_token"] = self.grants.write_refresh_token(
                opened, client.id, rotates=client.rotate_refresh
            )
        if "openid" in granted.scope:
            more["id_token"] = await self._id_token(client, granted, opened, text, nonce)
        return GivenToken(text, lifetime, scope, more)

    async def _id_token(
        self,
        client: RegisteredClient,
        granted: Granted,
        opened: OpenedSession,
        access_token: str,
        nonce: str | None,
    ) -> str:
        state = opened.state
        names, _ = present_roles(state, self.grants.clock.now())
        return await self.id_tokens.issue(
            subject=state.user_id,
            client_id=client.client_id,
            algorithm=client.id_token_alg,
            auth_time=state.auth_time,
            amr=state.amr,
            acr=acr_of(state.amr),
            nonce=nonce,
            sid=sid_of(granted.opened_from, client.id),
            access_token=access_token,
            claims=await self.claims.of(
                state.user_id, names, granted.scope, granted.claims.id_token
            ),
            lifetime=_ID_TOKEN_LIVES,
        )


def _within(client: RegisteredClient, granted: Granted) -> Granted:
    """Return the part of a grant that the client is registered for now."""
    audience = tuple(one for one in granted.audience if one in client.resources)
    if granted.audience and not audience:
        raise InvalidTarget  # and not a token for `userinfo`, which nobody asked for
    known = {*OPENID_SCOPES, *client.scope}
    scope = tuple(name for name in granted.scope if name in known)
    return granted._replace(scope=scope, audience=audience)


def _tells_roles(granted: Granted) -> bool:
    """Tell whether an app may know the roles of its user, who has been asked for `groups`.

    Threat: it reads them in its access token, which is a JWT, for whomever that is meant.
    """
    return "groups" in {
        *granted.scope,
        *scopes_of(granted.claims.userinfo + granted.claims.id_token),
    }


def _for_apis(granted: Granted) -> Granted:
    """Return a grant without what an app asks about the person, which means nothing to an API.

    RFC 9068 section 3. Threat: an API has a right of such a name, and gets it in every app's token.
    """
    return granted._replace(scope=tuple(one for one in granted.scope if one not in OPENID_SCOPES))


def sid_of(browser_session: UUID, client_id: UUID) -> str:
    """Return the `sid` of ID and logout tokens: the same for one browser and one client.

    Threat: apps that compare theirs learn which of their users are one person.
    """
    digest = hashlib.sha256(browser_session.bytes + client_id.bytes).digest()
    return to_base64url(digest[:16]).decode("ascii")
