"""The schemes for new hashes: bcrypt over a pre-hash, or argon2id by configuration.

`forms.py` checks both, as all other hashes, whichever is configured.
"""

import base64
import string
from dataclasses import dataclass
from typing import Protocol

from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from keyfob.core.secrets import random_bytes
from keyfob.passwords import families, forms
from keyfob.settings import PasswordSettings, WrongSetting

_SALT_BYTES = 16
_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
_TO_BCRYPT = bytes.maketrans(f"{_LETTERS}+/".encode(), f"./{_LETTERS}".encode())


class Scheme(Protocol):
    """A method of making hashes, with its cost."""

    def hash(self, password: str, salt: bytes | None = None) -> str:
        """Return a new hash of a password in NFC, with 16 bytes of salt, by default random ones."""
        ...

    def has_salt(self, stored: str, salt: bytes) -> bool:
        """Tell whether a hash was made by this scheme at this cost with that salt."""
        ...

    def is_current(self, stored: str) -> bool:
        """Tell whether a well-formed hash was made by this scheme at this cost."""
        ...

    @property
    def decoy(self) -> str:
        """A hash that no password matches, and that costs as much to check as those of `hash`."""
        ...

    @property
    def seconds(self) -> float:
        """The approximate seconds of a hash."""
        ...


@dataclass(frozen=True)
class Bcrypt:
    """bcrypt over HMAC-SHA-256: nothing is cut at 72 bytes, and NUL is a usual character.

    Hashes have passlib's form `$bcrypt-sha256$v=2,t=2b,r=12$salt$digest`, so that they cannot be
    taken for plain bcrypt, and can be moved to other systems. `cost` is the log2 of the rounds.
    """

    cost: int

    def hash(self, password: str, salt: bytes | None = None) -> str:
        written = _bcrypt64(salt or random_bytes(_SALT_BYTES))
        setting = f"$2b${self.cost:02}${written}".encode()
        made = BcryptHasher().hash(forms.prehashed(password, written), salt=setting)
        return f"{self._prefix}{written}${made[-31:]}"

    def has_salt(self, stored: str, salt: bytes) -> bool:
        return stored.startswith(f"{self._prefix}{_bcrypt64(salt)}$")

    def is_current(self, stored: str) -> bool:
        return stored.startswith(self._prefix)

    @property
    def decoy(self) -> str:
        return f"{self._prefix}{'.' * 22}${'.' * 31}"

    @property
    def seconds(self) -> float:
        return families.seconds_of_bcrypt(self.cost)

    @property
    def _prefix(self) -> str:
        return f"$bcrypt-sha256$v=2,t=2b,r={self.cost}$"


@dataclass(frozen=True)
class Argon2id:
    """argon2id (RFC 9106) with one lane, in PHC's form; memory in KiB."""

    memory_kib: int
    passes: int

    def hash(self, password: str, salt: bytes | None = None) -> str:
        return self._hasher.hash(families.utf8(password), salt=salt or random_bytes(_SALT_BYTES))

    def has_salt(self, stored: str, salt: bytes) -> bool:
        written = base64.b64encode(salt).rstrip(b"=").decode()
        return stored.startswith(f"{self._prefix}{written}$")

    def is_current(self, stored: str) -> bool:
        return stored.startswith("$argon2id$") and not self._hasher.check_needs_rehash(stored)

    @property
    def decoy(self) -> str:
        return f"{self._prefix}{'A' * 22}${'A' * 43}"  # 16 and 32 bytes

    @property
    def seconds(self) -> float:
        return families.seconds_of_argon2(self.memory_kib, self.passes)

    @property
    def _prefix(self) -> str:
        return f"$argon2id$v=19$m={self.memory_kib},t={self.passes},p=1$"

    @property
    def _hasher(self) -> Argon2Hasher:
        return Argon2Hasher(self.passes, self.memory_kib, parallelism=1)


def choose_scheme(settings: PasswordSettings) -> Scheme:
    """Return the configured scheme.

    Raises:
        WrongSetting: its hashes would cost more than a stored hash may.
    """
    if settings.password_scheme == "bcrypt":  # noqa: S105 - the name of a scheme
        return Bcrypt(settings.bcrypt_cost)
    memory, passes = settings.argon2_memory_kib, settings.argon2_time_cost
    if memory > families.MAX_ARGON2_KIB or memory * passes > families.MAX_ARGON2_WORK:
        raise WrongSetting(
            f"KEYFOB_ARGON2_MEMORY_KIB: should be at most {families.MAX_ARGON2_KIB}, and at most"
            f" {families.MAX_ARGON2_WORK} when multiplied by KEYFOB_ARGON2_TIME_COST"
        )
    return Argon2id(memory, passes)


def _bcrypt64(data: bytes) -> str:
    """Return bytes in bcrypt's base64: another order of letters, and no padding."""
    return base64.b64encode(data).rstrip(b"=").translate(_TO_BCRYPT).decode()
