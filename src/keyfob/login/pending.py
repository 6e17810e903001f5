"""Pending logins: the password was right, and a factor is still to be presented.

A pending login is a row, so that any worker may finish it. Its token is valid only for
`/login/mfa`, for five minutes, five attempts and one session. A pending login that ends without an
attempt is written to the login log: whoever began it knows the password, and left no other trace.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.secrets import random_text
from keyfob.devices.device import describe_device
from keyfob.login import pending_queries as queries
from keyfob.login.models import EndedPendingLogin, PendingAttempt, PendingLogin, Proof
from keyfob.login_log.service import LoginLog

PENDING_SECONDS = 300
_ATTEMPTS = 5
_PREFIX = "kfm_"
_TOKEN_BYTES = 32
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class PendingLogins:
    """Begins and ends pending logins, and counts their attempts."""

    db: Database
    clock: Clock
    log: LoginLog

    async def begin(self, tx: Tx, proof: Proof) -> str | None:
        """Begin a pending login after a right password and return its token.

        None if the password is another by now.
        """
        token = _PREFIX + random_text(_TOKEN_BYTES)
        now = self.clock.now()
        begun = await queries.insert_pending(
            tx,
            token_hash=_digest(token),
            proof=proof,
            attempts=_ATTEMPTS,
            now=now,
            expires_at=now + timedelta(seconds=PENDING_SECONDS),
            device=describe_device(proof.source.user_agent),
        )
        return token if begun else None

    async def find(self, token: str) -> PendingLogin | None:
        """Return a pending login, and use up nothing; None if there is none."""
        return await queries.find_pending(self.db, _digest(token), self.clock.now())

    async def take_attempt(self, token: str) -> PendingAttempt | None:
        """Use up an attempt, before the factor is checked.

        None if the pending login has ended, or no attempt is left.
        """
        return await queries.take_attempt(self.db, _digest(token), self.clock.now())

    async def set_challenge(self, token: str, challenge: bytes) -> bool:
        """Store the challenge for a passkey; False if the pending login has ended."""
        return await queries.set_challenge(self.db, _digest(token), challenge, self.clock.now())

    async def spend(self, tx: Tx, token: str) -> bool:
        """End it in the transaction that opens the session; False if it has ended already."""
        return await queries.spend_pending(tx, _digest(token), self.clock.now())

    async def kill(self, tx: Tx, user_id: UUID) -> None:
        """End all pending logins of a user: after a change of password or factors, or a block.

        Change the user's row first, so that a pending login that is just beginning is found.
        """
        await self._write(tx, await queries.delete_pending_of(tx, user_id))

    async def clean_up(self) -> None:
        """Delete expired pending logins, in small batches; each is logged by one worker."""
        while await self._end_expired() >= _AT_ONCE:
            pass

    async def _end_expired(self) -> int:
        async with self.db.begin() as tx:
            ended = await queries.delete_expired(tx, self.clock.now(), _AT_ONCE)
            await self._write(tx, ended)
        return len(ended)

    async def _write(self, tx: Tx, ended: Sequence[EndedPendingLogin]) -> None:
        """Log pending logins for which no factor was presented; wrong ones are logged already."""
        for wait in ended:
            if wait.attempts_left == _ATTEMPTS:
                await self.log.factor_not_shown(
                    tx, wait.user_id, wait.created_at, wait.address, wait.device
                )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
