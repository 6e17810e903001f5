"""The service's secret keyring: encryption at rest, and keys derived for other purposes.

The first key encrypts and signs; all keys decrypt and verify. So setting
`KEYFOB_SECRET_KEY=old,new` on every instance and then `new,old` rotates without loss. Each purpose
has a key of its own (HKDF-SHA-256, RFC 5869), so that a ciphertext or MAC of one kind cannot be
used as another.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keyfob.core.secrets import random_bytes

KEY_ID_BYTES = 3
_NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """No key of the keyring decrypts this: a key was removed, or the bytes were changed."""


class UnknownKey(CannotDecrypt):
    """The key that encrypted this is not in the keyring. Another instance may have it already."""


@dataclass(frozen=True)
class DerivedKey:
    """A key for one purpose, with the id by which its ring finds it."""

    id: bytes
    secret: bytes = field(repr=False)

    def mac(self, message: bytes) -> bytes:
        """Return the HMAC-SHA-256 of the message (32 bytes)."""
        # OpenSSL looks a name up each time, which takes a third of the call.
        return hmac.digest(self.secret, message, hashlib.sha256)


@dataclass(frozen=True)
class KeyRing:
    """The keys for one purpose, in the order of the setting."""

    keys: tuple[DerivedKey, ...]

    @property
    def ids(self) -> list[bytes]:
        return [key.id for key in self.keys]

    @property
    def first(self) -> DerivedKey:
        return self.keys[0]

    def find(self, key_id: bytes) -> DerivedKey | None:
        """Return the key with that id; None if there is none."""
        for key in self.keys:
            if key.id == key_id:
                return key
        return None

    def place_of(self, key_id: bytes) -> int | None:
        """Return the index of the key with that id, 0 for the first; None if there is none."""
        return next((place for place, key in enumerate(self.keys) if key.id == key_id), None)

    def count_by_place(self, amounts: Iterable[tuple[bytes, int]]) -> Counter[int | None]:
        """Add up amounts per key id by the index of the key; None is for those of unknown keys."""
        places: Counter[int | None] = Counter()
        for key_id, amount in amounts:
            places[self.place_of(key_id)] += amount
        return places


class SecretKeyring:
    """The configured secrets (each at least 32 characters): the first encrypts, all decrypt."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._roots = tuple(hashlib.sha256(secret.encode()).digest() for secret in secrets)

    def derive(self, purpose: str) -> KeyRing:
        """Return the keys for one purpose.

        Key ids are three bytes, also derived, so that they reveal nothing about the secret.
        """
        return KeyRing(
            tuple(
                DerivedKey(
                    id=_expand(root, f"{purpose} id", KEY_ID_BYTES),
                    secret=_expand(root, purpose, 32),
                )
                for root in self._roots
            )
        )


def _expand(root: bytes, info: str, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=f"keyfob {info}".encode()).derive(root)


class Box:
    """Authenticated encryption (AES-256-GCM, NIST SP 800-38D) for one purpose.

    The result is key id (3 bytes), nonce (12 bytes), and ciphertext with tag. `bound_to` is
    authenticated but not stored: it ties a ciphertext to its row, so that rows cannot be swapped.
    """

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """Encrypt with the first key."""
        key = self.ring.first
        nonce = random_bytes(_NONCE_BYTES)
        return key.id + nonce + AESGCM(key.secret).encrypt(nonce, plain, key.id + bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Decrypt with the key that encrypted it.

        Raises:
            UnknownKey: the key is not in the keyring.
            CannotDecrypt: the bytes were changed.
        """
        key_id, nonce = sealed[:KEY_ID_BYTES], sealed[KEY_ID_BYTES : KEY_ID_BYTES + _NONCE_BYTES]
        key = self.ring.find(key_id)
        if key is None:
            raise UnknownKey("sealed by a key that is not in KEYFOB_SECRET_KEY")
        try:
            return AESGCM(key.secret).decrypt(
                nonce, sealed[KEY_ID_BYTES + _NONCE_BYTES :], key_id + bound_to
            )
        except (InvalidTag, ValueError) as fault:  # ValueError: too short to be sealed
            raise CannotDecrypt("the sealed bytes were changed") from fault

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether the first key encrypted this."""
        return self.place_of(sealed) == 0

    def place_of(self, sealed: bytes) -> int | None:
        """Return the index of the key that encrypted this; None if the key is unknown."""
        return self.ring.place_of(sealed[:KEY_ID_BYTES])
