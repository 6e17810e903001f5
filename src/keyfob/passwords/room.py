"""The room of passwords."""

from prometheus_client import Gauge

from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.core.rooms import Chore, Room
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


def build(*, settings: Settings, db: Database, secrets: SecretKeyring) -> Room:
    """Build the hashing pool and the services that use it, without starting threads or connections.

    Raises:
        WrongSetting: the scheme's parameters cannot be used.
    """
    scheme = choose_scheme(settings)
    threads = settings.hashing_threads or max(1, usable_cores() // settings.workers)
    # The first estimate of a hash's duration, until one is measured.
    pool = HashingPool(threads, settings.hashing_budget, first_estimate=scheme.seconds)
    url = settings.breached_passwords_url
    breached = BreachedPasswords(url) if url else None
    stored = StoredForms(db, secrets.derive("decoys"), scheme)
    passwords = Passwords(
        pool, scheme, PasswordPolicy(breached), stored, secrets.derive("salts of sign-ups")
    )

    async def measure() -> None:
        HASHING_QUEUE.set(pool.queued)
        HASHING_RUNNING.set(pool.running)

    async def close() -> None:
        pool.close()
        if breached is not None:
            await breached.close()

    return Room(
        services=[passwords, pool, stored],
        chores=[
            Chore("forms of password hashes", 600, stored.count, at_start=True),
            Chore("hashing gauges", 5, measure),
        ],
        close=close,
    )
