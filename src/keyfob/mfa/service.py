"""A user's second factors, and the checks of codes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.encryption import KEY_ID_BYTES, Box, CannotDecrypt
from keyfob.devices.device import source_in_words
from keyfob.devices.source import Source
from keyfob.mail import mails
from keyfob.mail.service import Mail
from keyfob.mfa import queries, recovery_codes, totp
from keyfob.mfa.models import Factor, OwnedSecret, Resealed, TotpSecret

log = structlog.get_logger("keyfob.mfa")

_BEFORE_ALL = UUID(int=0)
_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Factors:
    """The factors of users. An unconfirmed authenticator is not a factor."""

    db: Database
    box: Box
    clock: Clock
    mail: Mail

    async def list(self, db: Executor, user_id: UUID) -> list[Factor]:
        """Return a user's factors, oldest first."""
        return await queries.list_factors(db, user_id)

    async def has_any(self, db: Executor, user_id: UUID) -> bool:
        """Tell whether a user has a factor."""
        return await queries.has_factor(db, user_id)

    async def count_recovery_codes(self, db: Executor, user_id: UUID) -> int:
        """Return the number of a user's unused recovery codes."""
        return await queries.count_codes(db, user_id)

    async def check_code(self, tx: Tx, user_id: UUID, code: str) -> bool:
        """Use up a code of one of a user's authenticators.

        False if the code is not a current one, or was used before: a code is valid once (RFC 6238
        section 5.2), and earlier codes become invalid with it.
        """
        now = self.clock.now()
        spent = False
        for found in await queries.list_totp_secrets(tx, user_id):
            secret = self.open(found.secret, found.id)
            step = secret and totp.find_step(secret, code, int(now.timestamp()))
            if secret and step and not spent:
                sealed = self._sealed_by_first(found, secret)
                spent = await queries.spend_step(tx, found.id, step, sealed, now)
        return spent

    async def spend_recovery_code(
        self, tx: Tx, user_id: UUID, code: str, source: Source
    ) -> int | None:
        """Use up a recovery code, and return how many are left; None if it is not the user's.

        The owner is told by mail, as a stolen code would otherwise not be noticed.
        """
        if not await queries.spend_code(tx, user_id, recovery_codes.digest(code)):
            return None
        left = await queries.count_codes(tx, user_id)
        notice = mails.RecoveryCodeUsed(codes_left=left, **source_in_words(source))
        await self.mail.tell(tx, user_id, notice)
        return left

    async def remove_all(self, tx: Tx, user_id: UUID) -> int:
        """Remove all factors and recovery codes of a user; return the number of factors."""
        return await queries.delete_factors(tx, user_id)

    def seal(self, secret: bytes, factor_id: UUID) -> bytes:
        """Encrypt an authenticator's secret for its row; it cannot be decrypted in another."""
        return self.box.seal(secret, factor_id.bytes)

    def open(self, sealed: bytes, factor_id: UUID) -> bytes | None:
        """Decrypt the output of `seal`; None if the key is gone or the bytes are of another row.

        The user's other factors still work then.
        """
        try:
            return self.box.open(sealed, factor_id.bytes)
        except CannotDecrypt as fault:
            log.warning("factor_cannot_be_opened", factor_id=str(factor_id), why=str(fault))
            return None

    async def reseal(self) -> Resealed:
        """Encrypt all secrets with the first secret key, except those that no key can decrypt."""
        renewed, last = 0, _BEFORE_ALL
        unopened: set[str] = set()
        while True:
            async with self.db.begin() as tx:
                batch = await queries.lock_totp_secrets(tx, last, _BATCH)
                for sealed in batch:
                    if self.box.is_current(sealed.secret):
                        continue
                    if await self._reseal_one(tx, sealed):
                        renewed += 1
                    else:
                        unopened.add(sealed.email)
            if len(batch) < _BATCH:
                return Resealed(renewed, sorted(unopened))
            last = batch[-1].id

    async def _reseal_one(self, tx: Tx, sealed: OwnedSecret) -> bool:
        try:
            secret = self.box.open(sealed.secret, sealed.id.bytes)
        except CannotDecrypt:
            return False
        await queries.update_secret(tx, sealed.id, self.seal(secret, sealed.id))
        return True

    async def list_owners_without_key(self, limit: int) -> Sequence[str]:
        """Return addresses of accounts with a secret that an unknown key encrypted."""
        return await queries.list_owners_of_others(self.db, self.box.ring.ids, limit)

    async def count_sealed(self) -> Counter[int | None]:
        """Return the number of secrets that each key encrypted, by its place in the keyring."""
        rows = await queries.count_by_key(self.db, KEY_ID_BYTES)
        return self.box.ring.count_by_place(rows)

    def _sealed_by_first(self, found: TotpSecret, secret: bytes) -> bytes:
        current = self.box.is_current(found.secret)
        return found.secret if current else self.seal(secret, found.id)
