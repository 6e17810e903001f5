"""The endpoint where an app asks about its user (OpenID Connect Core 1.0, section 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast
from uuid import UUID

from pydantic_core import to_json

from keyfob.accounts.errors import UserNotFound
from keyfob.authority.models import BOUND_TOKEN, PROOF, Introspector, LiveToken
from keyfob.core.problems import BadRequest, Unauthenticated
from keyfob.oauth.claims import PersonClaims
from keyfob.oauth.dpop.service import Proofs
from keyfob.oauth.errors import InsufficientScope

USERINFO_PATH = "/oauth2/userinfo"
_BEARER, _DPOP = "bearer", "dpop"


class ShownInHeaders(NamedTuple):
    """The headers by which a request may show a token and the key that it is bound to."""

    authorization: str | None
    method: str = "GET"
    proofs: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class UserInfo:
    """Tells an app about the user of its access token.

    Args:
        access: the access tokens, from memory.
        claims: reads what an app may know.
        address: the endpoint's own, which is the audience of the tokens that open it.
        proofs: checks the proofs of bound tokens.
    """

    access: Introspector
    claims: PersonClaims
    address: str
    proofs: Proofs

    async def tell(self, shown: ShownInHeaders, in_body: str | None = None) -> bytes:
        """Return the claims as JSON.

        The token is in the header or in the body (RFC 6750 sections 2.1 and 2.2), never in both.
        One that is bound to a key is in the header, with a proof.

        Raises:
            BadRequest: it is in both.
            Unauthenticated: it is missing, has expired or was revoked, is for another audience, of
                no sign-in, or bound to a key and shown like one that is not.
            NotProven, ProofNonceNeeded, TooManyRequests: see `Proofs.of_token`.
            InsufficientScope: its scope has no `openid`.
        """
        if shown.authorization is not None and in_body is not None:
            raise BadRequest("The token is in the header and in the body")
        scheme, _, token = (shown.authorization or "").partition(" ")
        scheme, token = scheme.lower(), token.strip()
        if scheme == _DPOP and token:
            live = await self._find_bound(shown, token)
        elif token := (token if scheme == _BEARER else in_body or ""):
            live = await self._find(token, None)
        else:
            raise Unauthenticated(challenge=f"Bearer, {PROOF}")
        return to_json(await self._told_by(live))

    async def _find_bound(self, shown: ShownInHeaders, token: str) -> LiveToken:
        proof = self.proofs.of_token(shown.proofs, shown.method, USERINFO_PATH, token)
        live = await self._find(token, proof.jkt)
        await self.proofs.spend_with_token(proof)
        return live

    async def _find(self, token: str, jkt: str | None) -> LiveToken:
        live = await self.access.find(token)
        if live is None or self.address not in live.audience or "auth_time" not in live.members:
            raise Unauthenticated(challenge=BOUND_TOKEN if jkt else None)
        bound_to = live.members.get("cnf")
        if bound_to != (jkt and {"jkt": jkt}):
            # Threat: the thief of a bound token shows it without a key (RFC 9449 section 7.2).
            raise Unauthenticated(challenge=BOUND_TOKEN)
        return live

    async def _told_by(self, live: LiveToken) -> dict[str, object]:
        scope = str(live.members["scope"]).split()
        if "openid" not in scope:
            raise InsufficientScope
        subject = str(live.members["sub"])
        roles = cast("Sequence[str]", live.members.get("roles", ()))
        try:
            claims = await self.claims.of(UUID(subject), roles, scope, live.userinfo)
        except UserNotFound:
            raise Unauthenticated from None
        return {**claims, "sub": subject}
