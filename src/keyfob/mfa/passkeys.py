"""Passkeys as proof of who it is: as the second factor, or alone."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from asyncpg import Record
from pydantic import ValidationError

from keyfob.audit.service import Audit
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor
from keyfob.core.encoding import from_base64url
from keyfob.mfa import ceremony_verification, passkey_queries
from keyfob.mfa.ceremony_options import request_options
from keyfob.mfa.ceremony_verification import Assertion, Refused
from keyfob.mfa.challenges import new_challenge
from keyfob.mfa.credentials import AssertionIn
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.relying_party import RelyingParty

log = structlog.get_logger("keyfob.passkeys")


@dataclass(frozen=True)
class Passkeys:
    """Asks for passkeys and checks what they answer."""

    db: Database
    party: RelyingParty
    audit: Audit
    clock: Clock

    async def request_options(self, db: Executor, user_id: UUID) -> tuple[dict[str, Any], bytes]:
        """Return what to ask a user's passkeys as a second factor, and the challenge to keep."""
        challenge = new_challenge()
        allowed = await passkey_queries.list_passkeys(db, user_id)
        options = request_options(self.party, challenge, allowed, must_verify_user=False)
        return options, challenge

    def options_alone(self, challenge: bytes) -> dict[str, Any]:
        """Return what to ask whichever passkey the user chooses, to sign in with nothing else."""
        return request_options(self.party, challenge, [], must_verify_user=True)

    async def verify_assertion(
        self,
        tx: Executor,
        credential: dict[str, Any],
        challenge: bytes,
        *,
        user_id: UUID | None,
        require_user_verification: bool,
    ) -> UUID:
        """Check the answer of a passkey, and return whose it is.

        Args:
            tx: where the use is noted, a transaction or not.
            credential: `AuthenticationResponseJSON` (WebAuthn Level 3 section 5.1).
            challenge: what was to be signed; it is spent already.
            user_id: who it should be, as a second factor; None to sign in by the passkey alone,
                which then has to name its user.
            require_user_verification: whether a touch alone is too little.

        Raises:
            InvalidFactor: for whatever reason; the log tells.
        """
        passkey = await self._find(tx, credential)
        if passkey is None or user_id not in {None, passkey["user_id"]}:
            raise _invalid("no such passkey", passkey)
        try:
            shown = await asyncio.to_thread(
                ceremony_verification.verify_assertion,
                self.party,
                credential,
                challenge,
                passkey,
                names_user=user_id is None,
                verifies_user=require_user_verification,
            )
        except Refused as refused:
            raise _invalid(str(refused), passkey) from None
        await self._note_use(tx, passkey, shown)
        owner: UUID = passkey["user_id"]
        return owner

    async def find_owner(self, credential: dict[str, Any]) -> UUID | None:
        """Return whose passkey a credential claims to be, for the log; it proves nothing."""
        passkey = await self._find(self.db, credential)
        return passkey["user_id"] if passkey else None

    async def _find(self, db: Executor, credential: dict[str, Any]) -> Record | None:
        try:
            credential_id = from_base64url(AssertionIn.model_validate(credential).raw_id)
        except (ValidationError, ValueError):
            return None
        return await passkey_queries.find_passkey(db, credential_id)

    async def _note_use(self, tx: Executor, passkey: Record, shown: Assertion) -> None:
        """Note the use; of a passkey that was copied, the count of one falls behind the other's.

        Raises:
            InvalidFactor: the count did not go on, or the passkey was removed meanwhile.
        """
        if await passkey_queries.use_passkey(
            tx, passkey["id"], shown.sign_count, shown.backed_up, self.clock.now()
        ):
            return
        known = await passkey_queries.find_sign_count(tx, passkey["id"])
        if known is None:
            raise _invalid("removed meanwhile", passkey)
        log.warning("passkey_cloned", factor_id=str(passkey["id"]), user_id=str(passkey["user_id"]))
        # On a connection of its own: the caller's transaction ends with the refusal.
        async with self.db.begin() as own:
            await self.audit.record(
                own,
                action="passkey.cloned_counter",
                actor_id=None,  # who holds the copy may be anybody
                target_id=passkey["user_id"],
                old={"id": str(passkey["id"]), "sign_count": known},
                new={"sign_count": shown.sign_count},
            )
        raise InvalidFactor


def _invalid(why: str, passkey: Record | None) -> InvalidFactor:
    log.info("passkey_refused", why=why, factor_id=str(passkey["id"]) if passkey else None)
    return InvalidFactor()
