"""Refresh tokens of our own sign-ins that clients present: introspection and revocation."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts import locks
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import LiveToken, acr_of
from keyfob.core.database import Database
from keyfob.sessions.models import EndReason
from keyfob.sessions.refresh import Refresh
from keyfob.sessions.service import Sessions
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.models import OWN_CLIENT


@dataclass(frozen=True, kw_only=True)
class RefreshIntrospector:
    """Describes refresh tokens by their session's row, and ends the session; it never uses them up.

    They are meant for our own API.
    """

    db: Database
    refresh: Refresh
    sessions: Sessions
    access: AccessTokens
    audit: Audit

    async def find(self, text: str) -> LiveToken | None:
        """Return a token that a refresh would accept now."""
        live = await self.refresh.find_live(text)
        if live is None:
            return None
        state = live.state
        members = {
            "client_id": OWN_CLIENT,
            "sub": str(state.user_id),
            "aud": self.access.issuer,
            "iss": self.access.issuer,
            "exp": int(live.ends_at.timestamp()),
            "sid": str(live.session_id),
            "auth_time": int(state.auth_time.timestamp()),
            "acr": acr_of(state.amr),
            "amr": state.amr,
        }
        return LiveToken(OWN_CLIENT, (self.access.issuer,), members)

    async def revoke(self, text: str, client_id: UUID) -> None:
        """End the session of a token, with all its access tokens (RFC 7009 section 2.1)."""
        live = await self.refresh.find_live(text)
        if live is None:
            return
        user_id = live.state.user_id
        async with self.db.begin() as tx:
            # The account first, as in a block or a deletion.
            if await locks.lock(tx, user_id) is None:
                return
            if not await self.sessions.end_one(
                tx, user_id, live.session_id, EndReason.CLIENT, None
            ):
                return
            await self.audit.record(
                tx,
                action=Event.SESSION_REVOKED,
                actor_id=client_id,
                target_id=user_id,
                new={"session_id": str(live.session_id)},
            )
