"""The room as the settings say: what it guesses before it has measured."""

import pytest

from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.passwords.building import build_passwords
from keyfob.settings import Settings


@pytest.mark.parametrize(
    ("chosen", "seconds"),
    [
        ({"bcrypt_cost": 12}, 0.25),
        ({"bcrypt_cost": 14}, 1.0),
        ({"bcrypt_cost": 4}, 0.25 / 256),
        ({"password_scheme": "argon2id"}, 0.038912),
    ],
)
def test_the_first_sign_ins_are_not_judged_by_another_cost(
    settings: Settings, chosen: dict[str, object], seconds: float
) -> None:
    chosen_settings = settings.model_copy(update={**chosen, "hashing_threads": 1})
    db, secrets = Database(settings.dsn), SecretKeyring(settings.secret_keys)
    room = build_passwords(chosen_settings, db, secrets)

    room.pool._running = 3  # what was asked for before a hash was measured

    assert room.pool.expected_wait == pytest.approx(3 * seconds)
