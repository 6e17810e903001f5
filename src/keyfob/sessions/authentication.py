"""From an access token to its subject, without a query: signature, expiry, revocation."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import structlog

from keyfob.authority.models import BOUND_TOKEN, App, Client, User, has_second_factor
from keyfob.core.clock import Clock
from keyfob.core.problems import Unauthenticated
from keyfob.sessions.activity import Activity
from keyfob.sessions.revocations import Revocations, rests_on
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.models import OWN_CLIENT, VerifiedToken

log = structlog.get_logger("keyfob.authentication")


@dataclass(frozen=True, slots=True)
class _Known:
    subject: User | Client | App
    rests_on: tuple[tuple[UUID, int], ...]  # the ids that a revocation may name, with generations
    expires_at: int
    jkt: str | None  # of the key that it is bound to


class SessionAuthenticator:
    """Accepts access tokens that we signed, and that have neither expired nor been revoked.

    Verified tokens are remembered by digest, at most `cache_size` of them, and the oldest are
    dropped first; expiry and revocation are checked each time and override the memory.
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

    def authenticate(self, token: str, jkt: str | None = None) -> User | Client | App:
        """Return the token's subject; a user's request counts as activity.

        `jkt` is the key that the caller has proven to hold; see `Authenticator`.

        Raises:
            Unauthenticated: for whatever reason; the log says which.
        """
        subject = self.recognise(token, jkt)
        if isinstance(subject, User):
            self._activity.touch(subject.user_id, subject.session_id)
        return subject

    def recognise(self, token: str, jkt: str | None = None) -> User | Client | App:
        """Return the token's subject as `authenticate` does, but count no activity.

        Raises:
            Unauthenticated: see `authenticate`.
        """
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._known.get(digest) or self._verify(token, digest)
        if known.expires_at <= self._clock.timestamp():
            self._known.pop(digest, None)
            raise self._refusal("expired")
        if self._revocations.kill_any(known.rests_on):
            self._known.pop(digest, None)
            raise self._refusal("revoked")
        if known.jkt != jkt:
            raise self._refusal("wrong_key" if jkt else "bound", bound=True)
        return known.subject

    @property
    def remembered(self) -> int:
        """The number of remembered tokens."""
        return len(self._known)

    def forget(self) -> None:
        """Forget all verified tokens, since the keys have changed."""
        self._known.clear()

    def _verify(self, token: str, digest: bytes) -> _Known:
        try:
            verified = self._tokens.verify(token)
        except TokenRejected as rejected:
            raise self._refusal(rejected.reason) from None
        subject = self._subject_of(verified)
        known = _Known(subject, rests_on(verified), verified.expires_at, verified.claims.jkt)
        if self._cache_size:
            if len(self._known) >= self._cache_size:
                del self._known[next(iter(self._known))]
            self._known[digest] = known
        return known

    def _subject_of(self, verified: VerifiedToken) -> User | Client | App:
        claims = verified.claims
        if claims.client_id == str(claims.subject) and claims.role is None:
            return Client(
                claims.subject,
                claims.client_gen,
                claims.scope,
                verified.token_id,
                claims.secret_ends_at,
            )
        if claims.role is None or claims.auth_time is None or claims.rests_on:
            raise self._refusal("exchanged")  # our own API takes keys, and no tokens for them
        user = User(
            claims.subject,
            claims.session_id,
            claims.generation,
            claims.role,
            claims.auth_time,
            claims.amr,
            is_restricted=claims.role in self._factor_roles and not has_second_factor(claims.amr),
            sub_gen=claims.sub_gen,
            roles=claims.roles[1:],
        )
        if claims.client_id == OWN_CLIENT:
            return user
        client_id = UUID(claims.client_id)
        return App(client_id, claims.client_gen, user, claims.scope, verified.token_id)

    @staticmethod
    def _refusal(reason: str, *, bound: bool = False) -> Unauthenticated:
        log.info("access_token_refused", reason=reason)
        return Unauthenticated(challenge=BOUND_TOKEN if bound else None)
