"""API keys that clients show: what they say, and their end."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts import locks
from keyfob.api_keys.service import ApiKeys
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import LiveToken
from keyfob.clients.resources import Resources
from keyfob.core.database import Database


@dataclass(frozen=True, kw_only=True)
class KeyIntrospector:
    """Implements `authority.models.Introspector`.

    A key is meant for every resource that offers a part of its scope.
    """

    db: Database
    keys: ApiKeys
    resources: Resources
    audit: Audit

    async def find(self, text: str) -> LiveToken | None:
        """Return a valid key; None if it is none."""
        live = await self.keys.find(text)
        if live is None:
            return None
        key, scope = live.key, self.keys.scope_of(live)
        audience = tuple(self.resources.parts_of(scope))
        if live.lacks_factor:  # found all the same, so that it can be revoked
            return LiveToken(None, audience, {"active": False})
        members = {
            "scope": " ".join(scope),
            "sub": str(key.user_id),
            "aud": list(audience),
            "iss": self.resources.issuer,
            "iat": int(key.created_at.timestamp()),
            "exp": int(live.ends_at.timestamp()),
            "sid": str(key.id),
            "roles": [live.role, *live.roles],
        }
        return LiveToken(None, audience, members, self.resources.parts_of(scope))

    async def revoke(self, text: str, client_id: UUID | None) -> None:
        """Revoke a key, everywhere at once; as a client asks that was shown it, or the operator."""
        live = await self.keys.find(text)
        if live is None:
            return
        key = live.key
        async with self.db.begin() as tx:
            if await locks.lock(tx, key.user_id) is None:
                return
            if await self.keys.revoke(tx, key.user_id, key.id):
                await self.audit.record(
                    tx,
                    action=Event.API_KEY_REVOKED,
                    actor_id=client_id,
                    target_id=key.user_id,
                    new={"id": str(key.id)},
                )
