"""The first day: one command on a bare machine, and the same command on the next morning."""

import re

import pytest
from tests.fixtures.world import SignedIn
from tests.journeys.conftest import Start

pytestmark = pytest.mark.slow


def test_the_first_start_and_the_second(start: Start) -> None:
    first = start()
    assert first.call("GET", "/docs").status_code == 200
    assert first.is_ready

    (password,) = re.findall(
        r"^First administrator: admin@example\.com, password (\S+) \(shown this once\)$",
        first.said,
        re.MULTILINE,
    )
    admin = SignedIn.of(first.log_in("admin@example.com", password))
    ada = SignedIn.of(first.register("ada@example.com"))
    listed = first.call("GET", "/admin/users", headers=admin.headers)
    assert {user["email"] for user in listed.json()} == {"ada@example.com", "admin@example.com"}

    assert first.stop() == 0
    assert first.said.count(password) == 1

    second = start()
    assert "First administrator" not in second.url + second.said
    assert second.me(ada) == 200  # signed by the same key
    fresh = SignedIn.of(second.call("POST", "/refresh", json={"token": ada.refresh}))
    assert second.me(fresh) == 200
    assert second.log_in("admin@example.com", password).status_code == 200
    assert second.stop() == 0
