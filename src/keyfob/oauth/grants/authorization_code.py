"""Codes that a browser has brought to an app, for its first tokens (OAuth 2.1 section 4.1.3)."""

import re
from dataclasses import dataclass

import structlog

from keyfob.clients.models import AuthenticatedClient, Grant, RegisteredClient
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encoding import to_base64url
from keyfob.core.forms import Form
from keyfob.oauth import authorization_queries as queries
from keyfob.oauth.app_tokens import AppTokens
from keyfob.oauth.authorization import challenge_of, digest_of_code
from keyfob.oauth.authorization_queries import Fits
from keyfob.oauth.errors import InvalidGrant
from keyfob.oauth.logout_notices import LogoutNotices
from keyfob.oauth.models import GivenToken
from keyfob.sessions.grants import Grants

log = structlog.get_logger("keyfob.oauth")

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")  # RFC 7636 section 4.1


@dataclass(frozen=True, kw_only=True)
class AuthorizationCode:
    """Exchanges a code for tokens, once; what is used twice ends what it gave.

    That only happens if all that comes with it is right. Threat: whoever has seen a code, which is
    worth nothing without the verifier, signs its user out (OAuth 2.1 section 4.1.3).
    """

    db: Database
    clock: Clock
    grants: Grants
    tokens: AppTokens
    notices: LogoutNotices
    grant = Grant.AUTHORIZATION_CODE

    async def give(self, shown: AuthenticatedClient, form: Form) -> GivenToken:
        """Return the first tokens of a grant.

        Raises:
            InvalidGrant: the code is unknown, used, expired, another client's, or does not fit the
                verifier, the redirect URI or the key; or its user has signed out, or is blocked.
            BadRequest: there is no code.
        """
        client, code_hash = shown.client, digest_of_code(form.need("code"))
        verifier = form.get("code_verifier")
        if verifier is not None and not _VERIFIER.match(verifier):
            raise InvalidGrant
        challenge = _written(verifier) if verifier is not None else None
        fits = Fits(code_hash, client.id, form.get("redirect_uri"), challenge, shown.jkt)
        opened, spent = None, None
        async with self.db.begin() as tx:
            spent = await queries.spend_code(tx, fits, self.clock.now())
            if spent is not None:
                granted = spent.granted._replace(jkt=shown.jkt if client.is_public else None)
                opened = await self.grants.open(tx, spent.user_id, granted, ttl=_ttl(client))
            if spent is not None and opened is not None:
                await queries.name_grant(tx, code_hash, opened.id)
                await self.notices.remember(tx, client, spent.granted)
        if spent is None:
            await self._end_if_reused(fits)
        if spent is None or opened is None:
            log.info("code_refused", client_id=str(client.id))
            raise InvalidGrant
        return await self.tokens.give(shown, spent.granted, opened, nonce=spent.nonce)

    async def _end_if_reused(self, fits: Fits) -> None:
        reused = await queries.find_spent_code(self.db, fits)
        if reused is not None and reused.session_id is not None:
            async with self.db.begin() as tx:
                await self.grants.end_one(tx, reused.user_id, reused.session_id)
            log.warning("code_reused", client_id=str(fits.client_id))


def _ttl(client: RegisteredClient) -> int | None:
    """Return the seconds of a grant that nothing can refresh; None for as long as a session."""
    return None if Grant.REFRESH_TOKEN in client.grants else client.access_token_ttl


def _written(verifier: str) -> str:
    return to_base64url(challenge_of(verifier)).decode("ascii")
