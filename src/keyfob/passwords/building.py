"""Builds the passwords room from the settings."""

from dataclasses import dataclass

from prometheus_client import Gauge

from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.passwords.breached import BreachedPasswords
from keyfob.passwords.hashing import HashingPool, usable_cores
from keyfob.passwords.policy import PasswordPolicy
from keyfob.passwords.schemes import choose_scheme
from keyfob.passwords.service import Passwords
from keyfob.passwords.stored import StoredForms
from keyfob.settings import Settings

HASHING_QUEUE = Gauge(
    "keyfob_hashing_queue", "Password checks that wait.", multiprocess_mode="livesum"
)
HASHING_RUNNING = Gauge(
    "keyfob_hashing_running", "Password checks under way.", multiprocess_mode="livesum"
)


@dataclass(frozen=True)
class PasswordRoom:
    """The service, and what it must let go of at the end."""

    service: Passwords
    pool: HashingPool
    stored: StoredForms
    breached: BreachedPasswords | None

    async def measure(self) -> None:
        """Set the gauges of the queue."""
        HASHING_QUEUE.set(self.pool.queued)
        HASHING_RUNNING.set(self.pool.running)

    async def close(self) -> None:
        """Stop hashing and close the connections to the range service."""
        self.pool.close()
        if self.breached is not None:
            await self.breached.close()


def build_passwords(settings: Settings, db: Database, secrets: SecretKeyring) -> PasswordRoom:
    """Build it; no thread and no connection is started yet.

    Raises:
        WrongSetting: the scheme's parameters cannot be used.
    """
    scheme = choose_scheme(settings)
    threads = settings.hashing_threads or max(1, usable_cores() // settings.workers)
    # What a hash is taken to last, for who signs in before the first was measured.
    pool = HashingPool(threads, settings.hashing_budget, first_estimate=scheme.seconds)
    url = settings.breached_passwords_url
    breached = BreachedPasswords(url) if url else None
    stored = StoredForms(db, secrets.derive("decoys"), scheme.decoy, scheme.seconds)
    salts = secrets.derive("salts of sign-ups")
    service = Passwords(pool, scheme, PasswordPolicy(breached), stored, salts)
    return PasswordRoom(service, pool, stored, breached)
