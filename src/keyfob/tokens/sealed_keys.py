"""Signing keys as stored: with the private half encrypted for its row."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from keyfob.core.clock import Clock
from keyfob.core.encryption import Box
from keyfob.core.secrets import random_text
from keyfob.tokens import algorithms
from keyfob.tokens.models import SealedKey, SigningKey


@dataclass(frozen=True)
class SealedKeys:
    """Makes keys, and decrypts stored ones."""

    box: Box
    clock: Clock

    async def make(self, algorithm: str, position: int, signs_from: datetime) -> SealedKey:
        """Return a new key for that position of its series; RSA takes some 0.2 s, in a thread."""
        kid = random_text(12)
        private = await asyncio.to_thread(algorithms.generate, algorithm)
        return SealedKey(
            position=position,
            kid=kid,
            algorithm=algorithm,
            public_jwk=algorithms.to_jwk(algorithm, kid, private.public_key()),
            private_key=self.box.seal(algorithms.to_pkcs8(private), kid.encode()),
            created_at=self.clock.now(),
            signs_from=signs_from,
        )

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

    def renewed(self, keys: Iterable[SealedKey]) -> Iterator[tuple[str, bytes]]:
        """Yield the private halves that the first secret key did not encrypt, encrypted with it.

        Each comes with the id of its key.
        """
        for key in keys:
            if not self.box.is_current(key.private_key):
                bound = key.kid.encode()
                yield key.kid, self.box.seal(self.box.open(key.private_key, bound), bound)
