"""One-time tokens: what a link in a mail carries.

A token is `kfl_` and 256 random bits, so its plain SHA-256 is all that is kept: a leaked database
gives no link. It says nothing about its kind or its user; the row does.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.encoding import to_base64url
from keyfob.core.secrets import random_bytes
from keyfob.links import queries
from keyfob.links.models import Kind
from keyfob.users.email import Email

PREFIX = "kfl_"
_SECRET_BYTES = 32
_KEPT_AFTER_EXPIRY = timedelta(days=7)


@dataclass(frozen=True)
class OneTimeTokens:
    """Issues, finds and spends tokens; each user has at most one of a kind."""

    db: Database
    clock: Clock
    ttl: timedelta

    async def issue(
        self,
        tx: Tx,
        user_id: UUID,
        kind: Kind,
        *,
        email: Email | None = None,
        password_hash: str | None = None,
        ttl: timedelta | None = None,
    ) -> str:
        """Return a new token; the user's older one of that kind is dead from the commit on.

        `email` is the address that is to become the user's, `password_hash` what becomes the
        password with this very token. It lives for `ttl`, or `KEYFOB_LINK_TTL` where none is said.
        """
        token = PREFIX + to_base64url(random_bytes(_SECRET_BYTES)).decode("ascii")
        await queries.upsert_token(
            tx,
            user_id=user_id,
            kind=kind,
            token_hash=_digest(token),
            email=email.typed if email else None,
            email_normal=email.normal if email else None,
            password_hash=password_hash,
            now=self.clock.now(),
            expires_at=self.expiry(ttl),
        )
        return token

    def expiry(self, ttl: timedelta | None = None) -> datetime:
        """Return when a token expires that is issued now: what its mail is worth nothing after."""
        return self.clock.now() + (ttl or self.ttl)

    async def find(self, db: Executor, kind: Kind, token: str) -> Record | None:
        """Return a live token without spending it.

        The row has `user_id`, `kind`, `email`, `email_normal`, `password_hash`, `created_at` and
        `expires_at`. None if unknown, used, expired, overtaken by a newer one, or of another kind.
        """
        return await queries.find_token(db, kind, _digest(token), self.clock.now())

    async def find_of_user(self, db: Executor, user_id: UUID, kind: Kind) -> Record | None:
        """Return the user's token of a kind, live or expired."""
        return await queries.find_token_of_user(db, user_id, kind)

    async def spend(self, tx: Tx, kind: Kind, token: str) -> Record | None:
        """Use a token up and return it, as `find` does; of two at once, one gets it."""
        return await queries.spend_token(tx, kind, _digest(token), self.clock.now())

    async def kill(self, tx: Tx, user_id: UUID, *kinds: Kind) -> None:
        """Make the user's tokens worthless: of these kinds, or of all where none is named."""
        await queries.delete_tokens_of_user(tx, user_id, kinds or tuple(Kind))

    async def clean_up(self) -> None:
        """Delete what expired a week ago; until then a sign-up may have its link sent again."""
        await queries.delete_expired(self.db, self.clock.now() - _KEPT_AFTER_EXPIRY)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
