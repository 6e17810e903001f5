"""The drills by name. A new one is a module of `drills.scenes` and a line here."""

from collections.abc import Callable, Coroutine
from typing import Any

from drills.harness.crowd import Size
from drills.harness.outcome import Outcome
from drills.scenes import (
    app_keys,
    apps,
    database,
    floods,
    keys,
    mail,
    resources,
    restore,
    soak,
    together,
    upgrade,
    workers,
)

Drill = Callable[[Size], Coroutine[Any, Any, Outcome]]

# Each drill's docstring is its part of docs/drills.md.
DRILLS: dict[str, Drill] = {
    "worker-killed": workers.worker_killed,
    "database-killed": database.database_killed,
    "database-black-holed": database.database_black_holed,
    "database-slow": database.database_slow,
    "database-resetting": database.database_resetting,
    "pool-exhausted": resources.pool_exhausted,
    "disk-full": resources.disk_full,
    "stopped": workers.stopped,
    "stopped-pair": workers.stopped_pair,
    "two-instances": together.two_instances,
    "clock-set": together.clock_set,
    "clock-off": together.clock_off,
    "upgrade": upgrade.upgrade,
    "keys-rotated": keys.keys_rotated,
    "secret-key-rotated": keys.secret_key_rotated,
    "restored": restore.restored,
    "mail-away": mail.mail_away,
    "codes-worker-killed": apps.codes_worker_killed,
    "codes-database-killed": apps.codes_database_killed,
    "codes-failed-over": apps.codes_failed_over,
    "app-keys-rotated": app_keys.app_keys_rotated,
    "consent-withdrawn": apps.consent_withdrawn,
    "receiver-dead": apps.receiver_dead,
    "requests-flooded": floods.requests_flooded,
}

# Those and the soak, which takes minutes instead of a size: what docs/drills.md tells of.
STORIES: dict[str, Callable[..., Coroutine[Any, Any, Outcome]]] = {**DRILLS, "soak": soak.soak}
