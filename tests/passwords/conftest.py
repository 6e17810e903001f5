from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.passwords.hashing import HashingPool
from keyfob.passwords.policy import PasswordPolicy
from keyfob.passwords.schemes import Bcrypt, Scheme
from keyfob.passwords.service import Passwords
from keyfob.passwords.stored import StoredForms


@dataclass(frozen=True)
class CountingBcrypt(Bcrypt):
    """Bcrypt that remembers what it hashed."""

    hashed: list[str] = field(default_factory=list, compare=False)

    def hash(self, password: str, salt: bytes | None = None) -> str:
        self.hashed.append(password)
        return super().hash(password, salt)


@pytest.fixture
def pool() -> Iterator[HashingPool]:
    pool = HashingPool(threads=1)
    yield pool
    pool.close()


@pytest.fixture
def scheme() -> CountingBcrypt:
    return CountingBcrypt(cost=4)


def passwords_of(pool: HashingPool, scheme: Scheme) -> Passwords:
    """Build the service over a scheme; the stored forms are not counted yet."""
    nowhere = Database("postgresql://nobody@localhost/none")
    secrets = SecretKeyring(["a secret key that only the tests know"])
    stored = StoredForms(nowhere, secrets.derive("decoys"), scheme)
    return Passwords(pool, scheme, PasswordPolicy(), stored, secrets.derive("salts"))


@pytest.fixture
def passwords(pool: HashingPool, scheme: CountingBcrypt) -> Passwords:
    return passwords_of(pool, scheme)


@pytest.fixture
def build(pool: HashingPool) -> Callable[[Scheme], Passwords]:
    return lambda scheme: passwords_of(pool, scheme)
