"""Two instances with two workers each on one database, and what is killed under them."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.fixtures.world import SignedIn
from tests.journeys.conftest import Instance, Start, wait_until

from keyfob.devdb.server import EmbeddedPostgres

pytestmark = pytest.mark.slow

ADMIN_PASSWORD = "quite another battery"
SETTINGS = {
    "SECRET_KEY": "a secret key that both instances know",
    "ADMIN_PASSWORD": ADMIN_PASSWORD,
    "WORKERS": 2,
    "LIMIT_REGISTER": "10000/hour",
    "LIMIT_ME": "10/hour",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("database"), {"fsync": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pair(database: EmbeddedPostgres, start: Start) -> Iterator[tuple[Instance, Instance]]:
    """Both start at once, on a database with nothing in it; both end with 0."""
    one, two = (start(DATABASE_URL=database.dsn, **SETTINGS) for _ in range(2))
    wait_until(lambda: one.is_ready and two.is_ready)
    yield one, two
    assert [one.stop(), two.stop()] == [0, 0]


def known_to(instance: Instance, **filters: str) -> set[str]:
    """List the users that the database has, or some of them."""
    admin = SignedIn.of(instance.log_in("admin@example.com", ADMIN_PASSWORD))
    users = instance.call(
        "GET", "/admin/users", params={"limit": 1000, **filters}, headers=admin.headers
    )
    return {user["email"] for user in users.raise_for_status().json()}


class Crowd:
    """Users who register all the time at both instances, until they are stopped."""

    def __init__(self, name: str, *instances: Instance) -> None:
        self.name = name
        self.answers: list[tuple[str, httpx.Response]] = []
        self.unanswered = 0
        self._instances = instances
        self._enough = threading.Event()

    def __enter__(self) -> "Crowd":
        self._pool = ThreadPoolExecutor(4)
        self._people = [self._pool.submit(self._register, number) for number in range(4)]
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._pool.shutdown()
        for person in self._people:
            person.result()

    def _register(self, number: int) -> None:
        instance = self._instances[number % len(self._instances)]
        for turn in range(10_000):
            if self._enough.is_set():
                return
            email = f"{self.name}-{number}-{turn}@example.com"
            try:
                self.answers.append((email, instance.register(email)))
            except httpx.TransportError:
                self.unanswered += 1

    def count(self, status: int) -> int:
        return sum(answer.status_code == status for _, answer in list(self.answers))

    @property
    def acknowledged(self) -> set[str]:
        return {email for email, answer in self.answers if answer.status_code == 201}


def test_they_started_at_once_and_made_one_admin(pair: tuple[Instance, Instance]) -> None:
    told = [instance.said.count("First administrator: admin@example.com") for instance in pair]

    assert sorted(told) == [0, 1]
    assert not any(ADMIN_PASSWORD in instance.said for instance in pair)
    assert all(len(instance.workers) == 2 for instance in pair)
    assert known_to(pair[0], role="admin") == {"admin@example.com"}


def test_a_logout_on_one_is_refused_on_the_other(pair: tuple[Instance, Instance]) -> None:
    here, there = pair
    ada = SignedIn.of(here.register("ada@example.com"))
    assert [there.me(ada) for _ in range(6)] == [200] * 6

    assert here.call("DELETE", "/logout", headers=ada.headers).status_code == 204

    wait_until(lambda: all(there.me(ada) == 401 for _ in range(6)), seconds=10)
    assert there.call("POST", "/refresh", json={"token": ada.refresh}).status_code == 401


def test_a_limit_is_one_for_all_workers(pair: tuple[Instance, Instance]) -> None:
    bob = SignedIn.of(pair[0].register("bob@example.com"))

    answers = [
        pair[turn % 2].call("GET", "/me/sessions", headers=bob.headers) for turn in range(14)
    ]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 4
    assert int(answers[-1].headers["retry-after"]) > 0


def test_a_worker_is_killed(pair: tuple[Instance, Instance]) -> None:
    instance, other = pair
    before = instance.workers

    with Crowd("worker", instance) as crowd:
        wait_until(lambda: crowd.count(201) > 20)
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: crowd.count(201) > 40)  # the other one serves
        wait_until(lambda: len(set(instance.workers) - set(before)) == 1)

    assert {answer.status_code for _, answer in crowd.answers} == {201}
    assert crowd.unanswered <= 8  # what was under way in it
    assert crowd.acknowledged <= known_to(other)


def test_the_database_is_killed(
    pair: tuple[Instance, Instance], database: EmbeddedPostgres
) -> None:
    carol = SignedIn.of(pair[0].register("carol@example.com"))
    folder = Path(httpx.URL(database.dsn).params["host"])
    postmaster = int((folder / "postmaster.pid").read_text().split()[0])

    with Crowd("database", *pair) as crowd:
        wait_until(lambda: crowd.count(201) > 20)
        os.kill(postmaster, signal.SIGKILL)
        wait_until(lambda: crowd.count(503) > 8)

        for instance in pair:
            assert instance.call("GET", "/health/live").status_code == 200
            wait_until(lambda instance=instance: not instance.is_ready)
            assert instance.me(carol) in {200, 503}
            refused = instance.call("POST", "/refresh", json={"token": carol.refresh})
            assert refused.status_code == 503

        database.start()
        again = crowd.count(201)
        wait_until(lambda: crowd.count(201) > again + 20)

    wait_until(lambda: pair[0].is_ready and pair[1].is_ready)
    assert {answer.status_code for _, answer in crowd.answers} == {201, 503}
    assert crowd.unanswered == 0
    for _, answer in crowd.answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
            # The second: of a worker whose start met the fault on a busy machine.
            assert answer.json()["code"] in {"database_unavailable", "no_signing_key"}
    assert crowd.acknowledged <= known_to(pair[1])
    assert pair[1].call("POST", "/refresh", json={"token": carol.refresh}).status_code == 200
