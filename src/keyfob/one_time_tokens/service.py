"""One-time tokens, which links in mails carry.

A token is `kfl_` and 256 random bits, so that a plain SHA-256 is enough for storage: a leaked
database reveals no link. The token does not contain its kind or its user; the row does. A user can
have several, so that requesting one does not invalidate another.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from keyfob.accounts.email import Email
from keyfob.accounts.models import SignUp
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.encoding import to_base64url
from keyfob.core.secrets import random_bytes
from keyfob.limits.mail_caps import SPARE_TTL
from keyfob.one_time_tokens import queries
from keyfob.one_time_tokens.models import Kind, Link

PREFIX = "kfl_"
KEPT_AFTER_EXPIRY = timedelta(days=7)
_SECRET_BYTES = 32
# More than the caps of mails permit in that time; it only limits memory.
_MOST_SIGN_UPS = 1000


@dataclass(frozen=True, kw_only=True)
class OneTimeTokens:
    """Issues, finds and uses tokens. Tokens of a blocked account are never valid."""

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
        sign_up: SignUp | None = None,
        ttl: timedelta | None = None,
        is_spare: bool = False,
    ) -> str:
        """Return a new token; the user's others stay valid.

        `email` is the address that it proves; `sign_up` is what the account gets together with its
        password. `is_spare` marks the one that is sent beyond the cap of mails. `expiry` says how
        long it is valid.
        """
        token = PREFIX + to_base64url(random_bytes(_SECRET_BYTES)).decode("ascii")
        await queries.insert_token(
            tx,
            user_id=user_id,
            kind=kind,
            token_hash=_digest(token),
            email=email.typed if email else None,
            email_normal=email.normal if email else None,
            password_hash=sign_up.password_hash if sign_up else None,
            name=sign_up.name if sign_up else None,
            locale=sign_up.locale if sign_up else None,
            is_spare=is_spare,
            now=self.clock.now(),
            expires_at=self.expiry(ttl, is_spare=is_spare),
        )
        return token

    def expiry(self, ttl: timedelta | None = None, *, is_spare: bool = False) -> datetime:
        """Return the expiry of a token issued now, after which its mail is useless.

        A spare one is valid for six hours, others for `ttl`, by default `KEYFOB_LINK_TTL`.
        """
        return self.clock.now() + (SPARE_TTL if is_spare else ttl or self.ttl)

    async def has_spare(self, db: Executor, user_id: UUID, kind: Kind) -> bool:
        """Tell whether the user has a valid spare link, beyond the cap of mails.

        This is for changes of address, where the number is limited per account; others are counted
        per address.
        """
        return await queries.has_spare(db, user_id, kind, self.clock.now())

    async def find(self, db: Executor, kind: Kind | Sequence[Kind], token: str) -> Link | None:
        """Return a valid token of that kind, or of one of those kinds, without using it up.

        For a link to an address, `user_id` is the account that has the address now. None if the
        token is unknown, used, expired, of another kind, or if that account is blocked.
        """
        return await queries.find_token(db, _kinds(kind), _digest(token), self.clock.now())

    async def spend(self, tx: Tx, kind: Kind | Sequence[Kind], token: str) -> Link | None:
        """Use a token up and return it as `find` does; of two requests at once, one gets it."""
        return await queries.spend_token(tx, _kinds(kind), _digest(token), self.clock.now())

    async def take_attempt(self, kind: Kind, token: str) -> bool:
        """Use up one of the five guesses of a link; False if none is left."""
        return await queries.take_attempt(self.db, kind, _digest(token), self.clock.now())

    async def give_attempt_back(self, token: str) -> None:
        """Give back a guess that could not be checked."""
        await queries.give_attempt_back(self.db, _digest(token))

    async def list_sign_ups(
        self, db: Executor, user_id: UUID, email: Email, link: Link
    ) -> list[SignUp]:
        """Return the sign-ups that wait in an account: the link's own, then the newest.

        A sign-up outlives its link by a week: its user can ask for another link, and strangers who
        sign up later cannot replace it.
        """
        newest = await queries.list_sign_ups(db, user_id, email.normal, _MOST_SIGN_UPS)
        return newest if link.sign_up is None else [link.sign_up, *newest]

    async def kill(self, tx: Tx, user_id: UUID, *kinds: Kind) -> int:
        """Invalidate the user's tokens of these kinds, or of all if none is named.

        Tokens that prove an address which the user has left stay valid: they belong to its owner.
        Returns the number of invalidated tokens.
        """
        return await queries.delete_tokens_of_user(tx, user_id, kinds or tuple(Kind))

    async def kill_all(self, tx: Tx, user_id: UUID) -> None:
        """Invalidate as `kill` does, also links requested for an earlier account at the address.

        This reads all links, so it is only for rare cases.
        """
        await self.kill(tx, user_id)
        await queries.delete_tokens_to_address_of(tx, user_id)

    async def kill_older(self, tx: Tx, user_id: UUID, kind: Kind, *, kept: int) -> None:
        """Invalidate the user's tokens of a kind, except the newest `kept` ones."""
        await queries.delete_older(tx, user_id, kind, kept)

    async def clean_up(self) -> None:
        """Delete tokens that expired a week ago; until then a sign-up can get another link."""
        await queries.delete_expired(self.db, self.clock.now() - KEPT_AFTER_EXPIRY)


def _kinds(kind: Kind | Sequence[Kind]) -> Sequence[Kind]:
    return (kind,) if isinstance(kind, Kind) else kind


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
