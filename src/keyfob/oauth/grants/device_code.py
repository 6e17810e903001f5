"""Device codes, for the tokens of whoever has allowed it on another device (RFC 8628)."""

from dataclasses import dataclass

import structlog

from keyfob.clients.models import AuthenticatedClient, Grant
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.forms import Form
from keyfob.oauth import device_queries
from keyfob.oauth.app_tokens import AppTokens
from keyfob.oauth.device import digest_of
from keyfob.oauth.device_queries import Polled
from keyfob.oauth.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    SlowDown,
)
from keyfob.oauth.logout_notices import LogoutNotices
from keyfob.oauth.models import GivenToken
from keyfob.sessions.grants import Grants

log = structlog.get_logger("keyfob.oauth")


@dataclass(frozen=True, kw_only=True)
class DeviceCode:
    """Exchanges the code of a device for tokens, once its user has allowed it."""

    db: Database
    clock: Clock
    grants: Grants
    tokens: AppTokens
    notices: LogoutNotices
    grant = Grant.DEVICE_CODE

    async def give(self, shown: AuthenticatedClient, form: Form) -> GivenToken:
        """Return the first tokens of a grant.

        Raises:
            AuthorizationPending, SlowDown: the user has not decided yet (section 3.5).
            AccessDenied: the user has refused.
            ExpiredToken: nobody has decided in time.
            InvalidGrant: the code is unknown, used, or another client's; or its user has signed
                out since, or is blocked.
            BadRequest: there is no code.
        """
        client, device_hash = shown.client, digest_of(form.need("device_code"))
        now = self.clock.now()
        _ensure_allowed(await device_queries.poll_request(self.db, device_hash, client.id, now))
        opened = None
        async with self.db.begin() as tx:
            spent = await device_queries.spend_request(tx, device_hash, client.id, now)
            if spent is not None:
                ttl = None if Grant.REFRESH_TOKEN in client.grants else client.access_token_ttl
                granted = spent.granted._replace(jkt=shown.jkt if client.is_public else None)
                opened = await self.grants.open(tx, spent.user_id, granted, ttl=ttl)
            if spent is not None and opened is not None:
                await self.notices.remember(tx, client, spent.granted)
        if spent is None or opened is None:
            log.info("device_code_refused", client_id=str(client.id))
            raise InvalidGrant
        return await self.tokens.give(shown, spent.granted, opened, nonce=spent.nonce)


def _ensure_allowed(polled: Polled | None) -> None:
    if polled is None or polled.is_spent:
        raise InvalidGrant
    if polled.is_decided and not polled.is_allowed:
        raise AccessDenied
    if polled.has_expired:
        raise ExpiredToken
    if not polled.is_decided:
        raise SlowDown if polled.was_early else AuthorizationPending
