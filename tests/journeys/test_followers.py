"""A service follows the feed by our package, whatever happens to Keyfob and its database."""

import base64
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from bench.harness.cluster import HOST, USER, Cluster, free_port, standby, temporary
from tests.fixtures.world import SignedIn
from tests.journeys.conftest import Instance, wait_until

from keyfob.devdb.server import EmbeddedPostgres

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parents[2] / "sdk" / "python" / "src"
FOLLOWER = """
import sys
from keyfob_client import ClientSecret, InvalidToken, Unavailable, Verifier
issuer, client_id, secret = sys.argv[1:]
with Verifier(issuer, audience="keyfob", client=ClientSecret(client_id, secret),
              allow_http=True, quiet_for=4, refresh_interval=0.2,
              fail_open_for=300) as verifier:
    for line in sys.stdin:
        try:
            print(verifier.verify(line.strip()).subject, flush=True)
        except InvalidToken:
            print("refused", flush=True)
        except Unavailable:
            print("cannot tell", flush=True)
"""
ADMIN_PASSWORD = "quite another battery"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("database"), {"fsync": "off"})
    server.start()
    yield server
    server.stop()


class Keyfob:
    """An instance that starts again on the same port, with a client that may follow the feed."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self._folder, self._port, self._number = folder, free_port(), 0
        self.issuer = f"http://localhost:{self._port}/auth"
        self._settings = {
            "DATABASE_URL": dsn,
            "SECRET_KEY": "a secret key that every start knows",
            "ADMIN_PASSWORD": ADMIN_PASSWORD,
            "ISSUER": self.issuer,
            "REQUEST_TIMEOUT": 3,
        }
        self.start()
        scope = ("--resource", self.issuer, "--scope", "revocations:read", "--json")
        made = json.loads(self.running.keyfob("clients", "create", "Orders", *scope))
        self.client = (made["id"], made["client_secret"])

    def start(self) -> None:
        self._number += 1
        name = f"start-{self._number}"
        self.running = Instance(self._folder, name, PORT=self._port, **self._settings)
        wait_until(lambda: self.running.is_ready)

    def sign_in(self) -> SignedIn:
        return SignedIn.of(self.running.log_in("admin@example.com", ADMIN_PASSWORD))

    def sign_out(self, who: SignedIn) -> None:
        self.running.call("DELETE", "/logout", headers=who.headers).raise_for_status()


@pytest.fixture(scope="module")
def keyfob(
    tmp_path_factory: pytest.TempPathFactory, database: EmbeddedPostgres
) -> Iterator[Keyfob]:
    found = Keyfob(tmp_path_factory.mktemp("keyfob"), database.dsn)
    yield found
    assert found.running.stop() == 0


class Service:
    """A program that judges tokens by our package, and follows the feed."""

    def __init__(self, keyfob: Keyfob) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", FOLLOWER, keyfob.issuer, *keyfob.client],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(PACKAGE)},
        )

    def accepts(self, who: SignedIn) -> bool:
        """Tell whether it lets somebody in; it must not say that it cannot tell."""
        asking, answers = self._process.stdin, self._process.stdout
        assert asking
        assert answers
        asking.write(who.access + "\n")
        asking.flush()
        answer = answers.readline().strip()
        assert answer not in {"", "cannot tell"}
        return answer != "refused"

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        assert self._process.wait(timeout=20) == 0


@contextmanager
def following(keyfob: Keyfob) -> Iterator[Service]:
    service = Service(keyfob)
    try:
        yield service
    finally:
        service.stop()


def test_a_service_learns_of_each_end_over_a_rotation_a_restart_and_a_killed_process(
    keyfob: Keyfob,
) -> None:
    with following(keyfob) as service:

        def ends(who: SignedIn) -> None:
            keyfob.sign_out(who)
            wait_until(lambda: not service.accepts(who))

        before = keyfob.sign_in()
        assert service.accepts(before)
        ends(before)
        old = keyfob.sign_in()

        keyfob.running.keyfob("keys", "rotate", "--publish-ahead", "0")
        new = wait_until(
            lambda: (fresh := keyfob.sign_in()) and kid_of(fresh) != kid_of(old) and fresh
        )
        wait_until(lambda: service.accepts(new))
        assert service.accepts(old), "the key that retires is still trusted"
        ends(old)

        assert keyfob.running.stop() == 0
        assert service.accepts(new), "verified without Keyfob"
        keyfob.start()
        ends(new)

        last = keyfob.sign_in()
        assert service.accepts(last)
        keyfob.running.process.send_signal(signal.SIGKILL)
        keyfob.running.process.wait(timeout=20)
        keyfob.start()
        ends(last)
        assert service.accepts(keyfob.sign_in())


@pytest.fixture
def servers() -> Iterator[tuple[Cluster, Cluster]]:
    """A primary, which commits when its standby has applied the change, and the standby."""
    with temporary({"synchronous_commit": "remote_apply"}) as primary, standby(primary) as second:
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.sql("SELECT pg_reload_conf()")
        yield primary, second


def test_a_service_goes_on_while_a_standby_is_promoted(
    tmp_path: Path, servers: tuple[Cluster, Cluster]
) -> None:
    primary, second = servers
    hosts = ",".join(f"{HOST}:{server.port}" for server in servers)
    dsn = f"postgresql://{USER}@{hosts}/postgres?target_session_attrs=read-write"
    keyfob = Keyfob(tmp_path, dsn)
    with following(keyfob) as service:
        stays, ended, later = keyfob.sign_in(), keyfob.sign_in(), keyfob.sign_in()
        everybody = (stays, ended, later)
        assert all(service.accepts(who) for who in everybody)

        def only_ended_are_refused(*gone: SignedIn) -> bool:
            seen = {who.session_id for who in everybody if not service.accepts(who)}
            assert seen <= {who.session_id for who in gone}, "nobody else is refused"
            return len(seen) == len(gone)

        keyfob.sign_out(ended)
        wait_until(lambda: only_ended_are_refused(ended))

        primary.kill()
        wait_until(lambda: only_ended_are_refused(ended) and not keyfob.running.is_ready)
        second.promote()
        wait_until(lambda: only_ended_are_refused(ended) and keyfob.running.is_ready, 60)

        keyfob.sign_out(later)
        wait_until(lambda: only_ended_are_refused(ended, later))
        assert service.accepts(keyfob.sign_in())
        with following(keyfob) as another:
            assert [another.accepts(who) for who in everybody] == [True, False, False]
    assert keyfob.running.stop() == 0


def kid_of(who: SignedIn) -> str:
    head = who.access.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


async def test_a_reader_who_sleeps_is_cut_off_and_costs_the_others_nothing(
    keyfob: Keyfob, database: EmbeddedPostgres
) -> None:
    admin = keyfob.sign_in()
    asking = (
        f"GET /auth/revocations/stream HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {admin.access}\r\n\r\n"
    ).encode()
    address = ("127.0.0.1", urlsplit(keyfob.issuer).port)
    with closing(socket.socket()) as asleep, closing(socket.create_connection(address)) as awake:
        asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asleep.connect(address)
        for reader in (asleep, awake):
            reader.sendall(asking)
        hangs_up = select.poll()
        hangs_up.register(asleep, 0)  # errors and hang-ups only: nothing is read
        got = await drown(database.dsn, awake, hangs_up)

    assert got > ALL_EVENTS, "the other reader got every event"
    assert keyfob.running.is_ready


ALL_EVENTS = 5_000_000  # bytes: less than the sleeper is owed when it is cut off


async def drown(dsn: str, awake: socket.socket, hangs_up: "select.poll") -> int:
    """Revoke until the sleeper is cut off; return the bytes that the other reader got."""
    got, until = 0, time.monotonic() + 90
    connection = await asyncpg.connect(dsn)
    try:
        while not hangs_up.poll(0):
            assert time.monotonic() < until, "a reader who sleeps keeps its stream"
            await connection.execute(REVOKE)
            got += read_for(awake, 0.2)
    finally:
        await connection.close()
    while got <= ALL_EVENTS and time.monotonic() < until:
        got += read_for(awake, 1)
    return got


REVOKE = """
WITH made AS (
    INSERT INTO revocations (kind, id, generation, revoked_at, expires_at)
    SELECT 'session', gen_random_uuid(), 0, now(), now() + interval '5 minutes'
      FROM generate_series(1, 4000)
    RETURNING id, generation, expires_at
)
SELECT count(pg_notify('keyfob', 'revoked ' || id || ' ' || generation || ' '
             || (extract(epoch FROM now()) * 1000)::bigint || ' '
             || (extract(epoch FROM expires_at) * 1000)::bigint)) FROM made
"""


def read_for(reader: socket.socket, seconds: float) -> int:
    got, until = 0, time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([reader], [], [], left)[0]:
            part = reader.recv(1 << 20)
            assert part, "the reader that is awake keeps its stream"
            got += len(part)
    return got
