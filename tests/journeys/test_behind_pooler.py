"""Two instances with two workers each, which reach their database through PgBouncer alone."""

import pytest
from tests.fixtures.pgbouncer import find_program, pgbouncer_before
from tests.fixtures.world import SignedIn
from tests.journeys.conftest import Start, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_program() is None, reason="there is no pgbouncer here"),
]

SETTINGS = {
    "SECRET_KEY": "a secret key that both instances know",
    "WORKERS": 2,
    "DATABASE_POOLER": "transaction",
}


def test_they_start_at_once_and_refuse_what_the_other_revoked(
    unmigrated_dsn: str, start: Start
) -> None:
    with pgbouncer_before(unmigrated_dsn, sessions=4) as dsn:
        here, there = (start(DATABASE_URL=dsn, **SETTINGS) for _ in range(2))
        wait_until(lambda: here.is_ready and there.is_ready)
        ada = SignedIn.of(here.register("ada@example.com"))
        assert [there.me(ada) for _ in range(6)] == [200] * 6

        assert here.call("DELETE", "/logout", headers=ada.headers).status_code == 204

        wait_until(lambda: all(there.me(ada) == 401 for _ in range(6)), seconds=10)
        assert there.call("POST", "/refresh", json={"token": ada.refresh}).status_code == 401
        assert [here.stop(), there.stop()] == [0, 0]
