"""The endpoint where an app asks about its user (OpenID Connect Core 1.0, section 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from pydantic_core import to_json

from keyfob.accounts.errors import UserNotFound
from keyfob.authority.models import Introspector
from keyfob.core.problems import BadRequest, Unauthenticated
from keyfob.oauth.claims import PersonClaims
from keyfob.oauth.errors import InsufficientScope

_SCHEME = "bearer"


@dataclass(frozen=True, kw_only=True)
class UserInfo:
    """Tells an app about the user of its access token.

    Args:
        access: the access tokens, from memory.
        claims: reads what an app may know.
        address: the endpoint's own, which is the audience of the tokens that open it.
    """

    access: Introspector
    claims: PersonClaims
    address: str

    async def tell(self, authorization: str | None, in_body: str | None = None) -> bytes:
        """Return the claims as JSON.

        The token is in the header or in the body (RFC 6750 sections 2.1 and 2.2), never in both.

        Raises:
            BadRequest: it is in both.
            Unauthenticated: it is missing, has expired or was revoked, is for another audience, or
                of no sign-in.
            InsufficientScope: its scope has no `openid`.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if authorization is not None and in_body is not None:
            raise BadRequest("The token is in the header and in the body")
        if scheme.lower() == _SCHEME:
            in_body = token.strip()
        if not in_body:
            raise Unauthenticated(presented=False)
        return to_json(await self._told_by(in_body))

    async def _told_by(self, token: str) -> dict[str, object]:
        live = await self.access.find(token)
        if live is None or self.address not in live.audience or "auth_time" not in live.members:
            raise Unauthenticated
        scope = str(live.members["scope"]).split()
        if "openid" not in scope:
            raise InsufficientScope
        subject = str(live.members["sub"])
        roles = cast("Sequence[str]", live.members["roles"])
        try:
            claims = await self.claims.of(UUID(subject), roles, scope, live.userinfo)
        except UserNotFound:
            raise Unauthenticated from None
        return {**claims, "sub": subject}
