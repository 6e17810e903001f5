"""The room as the settings configure it: its estimates before the first measurement."""

import asyncio
import threading

import pytest

from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.passwords.hashing import HashingPool
from keyfob.passwords.room import build
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
async def test_the_first_sign_ins_are_not_judged_by_another_cost(
    settings: Settings,
    chosen: dict[str, object],
    seconds: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)  # what has begun has just begun
    chosen_settings = settings.model_copy(update={**chosen, "hashing_threads": 1})
    db, secrets = Database(settings.dsn), SecretKeyring(settings.secret_keys)
    room = build(settings=chosen_settings, db=db, secrets=secrets)
    (pool,) = [one for one in room.services if isinstance(one, HashingPool)]

    # Asked for before a hash was measured.
    over = threading.Event()
    first = [asyncio.create_task(pool.run(over.wait, ("192.0.2.1",))) for _ in range(3)]
    await asyncio.sleep(0)
    expected = pool.expected_wait
    over.set()
    await asyncio.gather(*first)
    pool.close()

    assert expected == pytest.approx(3 * seconds)
