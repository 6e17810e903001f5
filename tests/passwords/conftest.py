from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from keyfob.passwords.hashing import HashingPool
from keyfob.passwords.policy import PasswordPolicy
from keyfob.passwords.schemes import Bcrypt
from keyfob.passwords.service import Passwords


@dataclass(frozen=True)
class CountingBcrypt(Bcrypt):
    """Bcrypt that remembers what it hashed."""

    hashed: list[str] = field(default_factory=list, compare=False)

    def hash(self, password: str) -> str:
        self.hashed.append(password)
        return super().hash(password)


@pytest.fixture
def pool() -> Iterator[HashingPool]:
    pool = HashingPool(threads=1)
    yield pool
    pool.close()


@pytest.fixture
def scheme() -> CountingBcrypt:
    return CountingBcrypt(cost=4)


@pytest.fixture
def passwords(pool: HashingPool, scheme: CountingBcrypt) -> Passwords:
    return Passwords(pool, scheme, PasswordPolicy())
