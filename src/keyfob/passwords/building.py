"""Builds the passwords room from the settings."""

from dataclasses import dataclass

from keyfob.passwords.breached import BreachedPasswords
from keyfob.passwords.hashing import HashingPool, usable_cores
from keyfob.passwords.policy import PasswordPolicy
from keyfob.passwords.schemes import choose_scheme
from keyfob.passwords.service import Passwords
from keyfob.settings import Settings


@dataclass(frozen=True)
class PasswordRoom:
    """The service, and what it must let go of at the end."""

    service: Passwords
    pool: HashingPool
    breached: BreachedPasswords | None

    async def close(self) -> None:
        """Stop hashing and close the connections to the range service."""
        self.pool.close()
        if self.breached is not None:
            await self.breached.close()


def build_passwords(settings: Settings) -> PasswordRoom:
    """Build it; no thread and no connection is started yet.

    Raises:
        WrongSetting: the scheme's parameters cannot be used.
    """
    threads = settings.hashing_threads or max(1, usable_cores() // settings.workers)
    pool = HashingPool(threads, settings.hashing_budget, first_estimate=_seconds_a_hash(settings))
    url = settings.breached_passwords_url
    breached = BreachedPasswords(url) if url else None
    service = Passwords(pool, choose_scheme(settings), PasswordPolicy(breached))
    return PasswordRoom(service, pool, breached)


def _seconds_a_hash(settings: Settings) -> float:
    """Guess what a hash takes, for who signs in before the first was measured."""
    match settings.password_scheme:
        case "argon2id":
            return settings.argon2_memory_kib * settings.argon2_time_cost / 1_000_000
        case "bcrypt":
            return 0.25 * 2.0 ** (settings.bcrypt_cost - 12)
