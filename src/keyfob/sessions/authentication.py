"""From an access token to its caller, without a query: signature, expiry, revocation."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from keyfob.authority.models import User, has_second_factor
from keyfob.core.clock import Clock
from keyfob.core.problems import Unauthenticated
from keyfob.sessions.activity import Activity
from keyfob.sessions.revocations import Revocations
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.errors import TokenRejected

log = structlog.get_logger("keyfob.authentication")


@dataclass(frozen=True, slots=True)
class _Known:
    caller: User
    expires_at: int


class SessionAuthenticator:
    """Believes an access token that we signed, that has not expired and was not revoked.

    Verified tokens are remembered by digest, at most `cache_size` of them, oldest dropped first;
    expiry and revocation are asked each time and overrule the memory.
    """

    def __init__(
        self,
        tokens: AccessTokens,
        revocations: Revocations,
        activity: Activity,
        clock: Clock,
        *,
        cache_size: int,
        factor_roles: Collection[str] = (),
    ) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._activity = activity
        self._clock = clock
        self._cache_size = cache_size
        self._factor_roles = frozenset(factor_roles)
        self._known: dict[bytes, _Known] = {}

    def authenticate(self, token: str) -> User:
        """Return the token's caller, and count the request as activity.

        Raises:
            Unauthenticated: for whatever reason; the log tells which.
        """
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._known.get(digest) or self._verify(token, digest)
        if known.expires_at <= self._clock.timestamp():
            self._known.pop(digest, None)
            raise self._refusal("expired")
        caller = known.caller
        if self._revocations.kills(caller.session_id, caller.generation) or self._revocations.kills(
            caller.user_id, caller.sub_gen
        ):
            self._known.pop(digest, None)
            raise self._refusal("revoked")
        self._activity.touch(caller.user_id, caller.session_id)
        return caller

    @property
    def remembered(self) -> int:
        """How many tokens are remembered."""
        return len(self._known)

    def forget(self) -> None:
        """Verify every token anew: the keys have changed."""
        self._known.clear()

    def _verify(self, token: str, digest: bytes) -> _Known:
        try:
            verified = self._tokens.verify(token)
        except TokenRejected as rejected:
            raise self._refusal(rejected.reason) from None
        claims = verified.claims
        caller = User(
            claims.user_id,
            claims.session_id,
            claims.generation,
            claims.role,
            claims.auth_time,
            claims.amr,
            is_restricted=claims.role in self._factor_roles and not has_second_factor(claims.amr),
            sub_gen=claims.sub_gen,
        )
        known = _Known(caller, verified.expires_at)
        if self._cache_size:
            if len(self._known) >= self._cache_size:
                del self._known[next(iter(self._known))]
            self._known[digest] = known
        return known

    @staticmethod
    def _refusal(reason: str) -> Unauthenticated:
        log.info("access_token_refused", reason=reason)
        return Unauthenticated()
