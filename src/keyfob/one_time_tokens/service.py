"""One-time tokens: what a link in a mail carries.

A token is `kfl_` and 256 random bits, so its plain SHA-256 is all that is kept: a leaked database
gives no link. It says nothing about its kind or its user; the row does. Those of one user live side
by side, so that nobody who asks for one kills another's.
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
from keyfob.one_time_tokens import queries
from keyfob.one_time_tokens.models import Kind, Link

PREFIX = "kfl_"
KEPT_AFTER_EXPIRY = timedelta(days=7)
_SECRET_BYTES = 32
# More than the caps of mails let anybody make in that time; a bound of memory alone.
_MOST_SIGN_UPS = 1000


@dataclass(frozen=True, kw_only=True)
class OneTimeTokens:
    """Issues, finds and spends tokens. None of a blocked account is good."""

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
        """Return a new token; the user's others live on.

        `email` is the address that it proves, `sign_up` what becomes the account's with its
        password. It lives for `ttl`, or `KEYFOB_LINK_TTL` where none is said; `is_spare` marks the
        one that is sent beyond the cap of mails.
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
            expires_at=self.expiry(ttl),
        )
        return token

    def expiry(self, ttl: timedelta | None = None) -> datetime:
        """Return when a token expires that is issued now: what its mail is worth nothing after."""
        return self.clock.now() + (ttl or self.ttl)

    async def has_spare(self, db: Executor, user_id: UUID, kind: Kind) -> bool:
        """Tell whether the user's link beyond the cap of mails is there already, and live.

        Of moves to an address, as many accounts may ask for; others are counted by address.
        """
        return await queries.has_spare(db, user_id, kind, self.clock.now())

    async def find(self, db: Executor, kind: Kind | Sequence[Kind], token: str) -> Link | None:
        """Return a live token of that kind, or of one of those, without spending it.

        Of a link to an address the `user_id` is of the account that has the address now. None if
        unknown, used, expired, of another kind, or if that account is blocked.
        """
        return await queries.find_token(db, _kinds(kind), _digest(token), self.clock.now())

    async def spend(self, tx: Tx, kind: Kind | Sequence[Kind], token: str) -> Link | None:
        """Use a token up and return it, as `find` does; of two at once, one gets it."""
        return await queries.spend_token(tx, _kinds(kind), _digest(token), self.clock.now())

    async def take_attempt(self, kind: Kind, token: str) -> bool:
        """Take one of the five guesses that a link allows; False if there is none left."""
        return await queries.take_attempt(self.db, kind, _digest(token), self.clock.now())

    async def give_attempt_back(self, token: str) -> None:
        """Take back a guess that could not be looked at."""
        await queries.give_attempt_back(self.db, _digest(token))

    async def list_sign_ups(
        self, db: Executor, user_id: UUID, email: Email, link: Link
    ) -> list[SignUp]:
        """Return the sign-ups that an account waits with: the link's own, and then the newest.

        A sign-up outlives its link by a week: its user may ask for another link, and is not pushed
        out by strangers who sign up later.
        """
        newest = await queries.list_sign_ups(db, user_id, email.normal, _MOST_SIGN_UPS)
        return newest if link.sign_up is None else [link.sign_up, *newest]

    async def kill(self, tx: Tx, user_id: UUID, *kinds: Kind) -> int:
        """Make the user's tokens worthless: of these kinds, or of all where none is named.

        Not those that prove an address which the user has left: they are of its owner.
        Returns how many there were.
        """
        return await queries.delete_tokens_of_user(tx, user_id, kinds or tuple(Kind))

    async def kill_all(self, tx: Tx, user_id: UUID) -> None:
        """Do as `kill`, also of links that were asked for an account which had the address before.

        For what is rare: it reads all links.
        """
        await self.kill(tx, user_id)
        await queries.delete_tokens_to_address_of(tx, user_id)

    async def kill_older(self, tx: Tx, user_id: UUID, kind: Kind, *, kept: int) -> None:
        """Make the user's tokens of a kind worthless, but for so many, the newest."""
        await queries.delete_older(tx, user_id, kind, kept)

    async def clean_up(self) -> None:
        """Delete what expired a week ago; until then a sign-up may have its link sent again."""
        await queries.delete_expired(self.db, self.clock.now() - KEPT_AFTER_EXPIRY)


def _kinds(kind: Kind | Sequence[Kind]) -> Sequence[Kind]:
    return (kind,) if isinstance(kind, Kind) else kind


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
