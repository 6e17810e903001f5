"""How new hashes are made: bcrypt over a pre-hash, or argon2id by configuration.

Both are checked by `forms.py`, as everything else, whichever is configured.
"""

from dataclasses import dataclass
from typing import Protocol

import bcrypt
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from keyfob.core.secrets import random_bytes
from keyfob.passwords import costs, families, forms
from keyfob.settings import PasswordSettings, WrongSetting


class Scheme(Protocol):
    """A way to make hashes, with its cost."""

    def hash(self, password: str) -> str:
        """Return a new hash of a password that is in NFC."""
        ...

    def is_current(self, stored: str) -> bool:
        """Tell whether a well-formed hash was made by this scheme at this cost."""
        ...

    @property
    def decoy(self) -> str:
        """A hash that no password has, and that costs as much to check as those made by `hash`."""
        ...

    @property
    def seconds(self) -> float:
        """About how long a hash takes."""
        ...


@dataclass(frozen=True)
class Bcrypt:
    """bcrypt over HMAC-SHA-256: nothing is cut at 72 bytes, and NUL is a character like others.

    Written in passlib's form `$bcrypt-sha256$v=2,t=2b,r=12$salt$digest`, so that it cannot be
    taken for plain bcrypt, and can be moved elsewhere. `cost` is the log2 of the rounds.
    """

    cost: int

    def hash(self, password: str) -> str:
        setting = bcrypt.gensalt(self.cost)  # from the operating system's generator, too
        salt = setting.decode()[-22:]
        made = BcryptHasher().hash(forms.prehashed(password, salt), salt=setting)
        return f"{self._prefix}{salt}${made[-31:]}"

    def is_current(self, stored: str) -> bool:
        return stored.startswith(self._prefix)

    @property
    def decoy(self) -> str:
        return f"{self._prefix}{'.' * 22}${'.' * 31}"

    @property
    def seconds(self) -> float:
        return costs.of_bcrypt(self.cost)

    @property
    def _prefix(self) -> str:
        return f"$bcrypt-sha256$v=2,t=2b,r={self.cost}$"


@dataclass(frozen=True)
class Argon2id:
    """argon2id (RFC 9106) of one lane, in PHC's form; memory in KiB."""

    memory_kib: int
    passes: int

    def hash(self, password: str) -> str:
        return self._hasher.hash(families.utf8(password), salt=random_bytes(16))

    def is_current(self, stored: str) -> bool:
        return stored.startswith("$argon2id$") and not self._hasher.check_needs_rehash(stored)

    @property
    def decoy(self) -> str:
        sizes = f"m={self.memory_kib},t={self.passes},p=1"
        return f"$argon2id$v=19${sizes}${'A' * 22}${'A' * 43}"  # 16 bytes, and 32

    @property
    def seconds(self) -> float:
        return costs.of_argon2(self.memory_kib, self.passes)

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
