"""Signing keys as stored: with the private half encrypted for its row."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from keyfob.core.clock import Clock
from keyfob.core.database import Tx
from keyfob.core.encryption import Box
from keyfob.core.secrets import random_text
from keyfob.tokens import algorithms, queries
from keyfob.tokens.models import SealedKey, SigningKey


@dataclass(frozen=True)
class SealedKeys:
    """Makes keys of one algorithm, and decrypts stored keys of any."""

    box: Box
    clock: Clock
    algorithm: str

    async def insert(self, tx: Tx, position: int, signs_from: datetime) -> str | None:
        """Insert a key at that position and return its kid; None if another worker was faster."""
        kid = random_text(12)
        private = await asyncio.to_thread(algorithms.generate, self.algorithm)
        key = SealedKey(
            position=position,
            kid=kid,
            algorithm=self.algorithm,
            public_jwk=algorithms.to_jwk(self.algorithm, kid, private.public_key()),
            private_key=self.box.seal(algorithms.to_pkcs8(private), kid.encode()),
            created_at=self.clock.now(),
            signs_from=signs_from,
        )
        return kid if await queries.insert_key(tx, key) else None

    def open(self, sealed: SealedKey) -> SigningKey:
        """Return a key with its private half.

        Raises:
            CannotDecrypt: the secret key was removed, or the bytes are of another row.
        """
        private = algorithms.from_pkcs8(self.box.open(sealed.private_key, sealed.kid.encode()))
        return SigningKey(
            position=sealed.position,
            kid=sealed.kid,
            algorithm=sealed.algorithm,
            public_jwk=sealed.public_jwk,
            created_at=sealed.created_at,
            signs_from=sealed.signs_from,
            dropped_at=sealed.dropped_at,
            public_key=private.public_key(),
            private_key=private,
        )

    async def renew(self, tx: Tx, keys: Sequence[SealedKey]) -> int:
        """Encrypt keys with the first secret key; return the number of changed ones."""
        renewed = 0
        for key in keys:
            if not self.box.is_current(key.private_key):
                bound = key.kid.encode()
                plain = self.box.open(key.private_key, bound)
                await queries.update_private_key(tx, key.position, self.box.seal(plain, bound))
                renewed += 1
        return renewed
