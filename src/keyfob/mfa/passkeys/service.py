"""Passkeys as proof of identity: as a second factor, or alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from pydantic import ValidationError

from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.encoding import from_base64url
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import Assertion, StoredPasskey
from keyfob.mfa.passkeys import queries, verification
from keyfob.mfa.passkeys.challenges import Challenges, new_challenge
from keyfob.mfa.passkeys.credentials import AssertionIn
from keyfob.mfa.passkeys.options import request_options
from keyfob.mfa.passkeys.relying_party import RelyingParty
from keyfob.mfa.passkeys.verification import Refused

log = structlog.get_logger("keyfob.passkeys")


class PresentedPasskey(NamedTuple):
    """A passkey whose answer was valid; it counts once its use is recorded."""

    passkey: StoredPasskey
    assertion: Assertion

    @property
    def user_id(self) -> UUID:
        """The owner's id."""
        return self.passkey.user_id


class _Copied(Exception):
    """A passkey was copied: the counter of the presented one did not increase."""

    def __init__(self, presented: PresentedPasskey, known_count: int) -> None:
        super().__init__()
        self.presented = presented
        self.known_count = known_count


@dataclass(frozen=True, kw_only=True)
class Passkeys:
    """Asks for passkeys and checks their answers."""

    db: Database
    party: RelyingParty
    challenges: Challenges
    audit: Audit
    clock: Clock

    async def request_options(self, db: Executor, user_id: UUID) -> tuple[dict[str, Any], bytes]:
        """Return the options for a user's passkeys as second factor, and the challenge to store."""
        challenge = new_challenge()
        allowed = await queries.list_passkeys(db, user_id)
        options = request_options(self.party, challenge, allowed, must_verify_user=False)
        return options, challenge

    async def begin_alone(self) -> tuple[UUID, dict[str, Any]]:
        """Return the id of a challenge, and the options for any passkey that the user chooses.

        They are the same for everybody: nobody learns which users have a passkey.
        """
        challenge_id, challenge = await self.challenges.issue(self.db, None)
        return challenge_id, request_options(self.party, challenge, [], must_verify_user=True)

    async def verify_alone(
        self, challenge_id: UUID, credential: dict[str, Any], user_id: UUID | None = None
    ) -> PresentedPasskey:
        """Check the answer to the options of `begin_alone`, as `verify_assertion` does.

        Raises:
            InvalidFactor: also if the challenge is unknown, used or expired.
        """
        challenge = await self.challenges.spend(challenge_id, None)
        if challenge is None:
            raise InvalidFactor
        return await self.verify_assertion(
            credential, challenge, user_id=user_id, require_user_verification=True
        )

    async def verify_assertion(
        self,
        credential: dict[str, Any],
        challenge: bytes,
        *,
        user_id: UUID | None,
        require_user_verification: bool,
    ) -> PresentedPasskey:
        """Check the answer of a passkey, in a thread and outside any transaction.

        Then call `note_use` in the transaction that relies on it.

        Args:
            credential: `AuthenticationResponseJSON` (WebAuthn Level 3 section 5.1).
            challenge: the bytes to be signed; the challenge is used up already.
            user_id: the expected owner, for a second factor; None for a sign-in by passkey alone,
                whose answer has to name its user.
            require_user_verification: whether the key must have verified its user, beyond a touch.

        Raises:
            InvalidFactor: for whatever reason; the log says which.
        """
        passkey = await self._find(credential)
        if passkey is None or user_id not in {None, passkey.user_id}:
            raise _invalid("no such passkey", passkey)
        try:
            presented = await asyncio.to_thread(
                verification.verify_assertion,
                self.party,
                credential,
                challenge,
                passkey,
                names_user=user_id is None,
                verifies_user=require_user_verification,
            )
        except Refused as refused:
            raise _invalid(str(refused), passkey) from None
        return PresentedPasskey(passkey, presented)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """Open a transaction in which `note_use` is called.

        If a passkey was copied, that is recorded after the transaction is rolled back, and not
        beside it on a second connection: otherwise somebody who presents copies again and again
        would use up the pool.

        Raises:
            InvalidFactor: the passkey was copied.
        """
        try:
            async with self.db.begin() as tx:
                yield tx
        except _Copied as copied:
            await self._record_copy(copied)
            raise InvalidFactor from None

    async def note_use(self, tx: Tx, presented: PresentedPasskey) -> None:
        """Record the use; if a passkey was copied, the counter of one of the two falls behind.

        For a synced passkey, that is only logged.

        Call it in a transaction of `begin`, once the account is locked: a passkey that was removed
        meanwhile proves nothing.

        Raises:
            InvalidFactor: the counter did not increase, or the passkey was removed meanwhile.
        """
        passkey, assertion = presented
        if await queries.use_passkey(tx, passkey.id, assertion, self.clock.now()):
            _tell_of_fall(passkey, assertion)
            return
        known = await queries.find_sign_count(tx, passkey.id)
        if known is None:
            raise _invalid("removed meanwhile", passkey)
        raise _Copied(presented, known)

    async def find_owner(self, credential: dict[str, Any]) -> UUID | None:
        """Return the owner that a credential claims, for the log; it proves nothing."""
        passkey = await self._find(credential)
        return passkey.user_id if passkey else None

    async def _find(self, credential: dict[str, Any]) -> StoredPasskey | None:
        try:
            credential_id = from_base64url(AssertionIn.model_validate(credential).raw_id)
        except (ValidationError, ValueError):
            return None
        return await queries.find_passkey(self.db, credential_id)

    async def _record_copy(self, copied: _Copied) -> None:
        passkey, assertion = copied.presented
        log.warning("passkey_cloned", factor_id=str(passkey.id), user_id=str(passkey.user_id))
        async with self.db.begin() as tx:
            await self.audit.record(
                tx,
                action=Event.PASSKEY_CLONED_COUNTER,
                actor_id=None,  # anybody may have the copy
                target_id=passkey.user_id,
                old={"id": str(passkey.id), "sign_count": copied.known_count},
                new={"sign_count": assertion.sign_count},
            )


def _tell_of_fall(passkey: StoredPasskey, assertion: Assertion) -> None:
    known, told = passkey.sign_count, assertion.sign_count
    if known and told <= known:
        log.info("passkey_count_fell", factor_id=str(passkey.id), known=known, told=told)


def _invalid(why: str, passkey: StoredPasskey | None) -> InvalidFactor:
    log.info("passkey_refused", why=why, factor_id=str(passkey.id) if passkey else None)
    return InvalidFactor()
