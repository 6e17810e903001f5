"""The revocation feed of two workers with 200 subscribers, and a service that follows it.

The service is a process of its own, with the package of sdk/python. The subscribers are one more;
one of them sleeps. Beside the refreshes five people sign out each second, with and without readers.
Where the service polls, Keyfob allows one stream a worker, which others have.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import uniform
from urllib.request import urlopen

from bench.harness import cluster, figures, processes, servers
from bench.harness.clients import refreshes, registered
from bench.harness.load import Connection, Result, Step, request, run_clients
from bench.harness.resource_server import RESOURCE, basic
from bench.harness.servers import HOST, Server
from bench.harness.subscribers import Subscribers, subscribers

SUBSCRIBERS = 200
_OF_ONE_PROGRAM = 40  # a client may have 50 streams of a worker
_REFRESHING = 4
_CALLING = 8
_LANES = 10
_SIGN_OUTS_A_SECOND = 5
_SETTINGS = {"BCRYPT_COST": 4, "WORKERS": 2, "LIMIT_REFRESH": "1000000/minute"}
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class _Programs:
    """The credentials of the service, and tokens: of those who subscribe, and who call it."""

    service: str
    readers: list[str]
    callers: list[str]


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    port = cluster.free_port()
    issuer = f"http://localhost:{port}/auth"
    settings = {**_SETTINGS, "PORT": port, "ISSUER": issuer}
    with servers.keyfob(dsn, **settings) as keyfob:
        programs = asyncio.run(_programs(port, issuer))
        with subscribers(port, programs.readers) as crowd:
            _add_memory(report, keyfob, crowd)
            _add_refreshes(report, keyfob, crowd, rounds, seconds)
            _hold(crowd)
            with _service("package", issuer, programs) as service:
                _wait_for(service, "streaming")
                lags = asyncio.run(_lags(port, service.port, 60 * rounds, every=0.001))
                _wait_for(service, "streaming")
                assert crowd.still_open == SUBSCRIBERS
        _add_lag(report, f"beside {SUBSCRIBERS} subscribers", 100, lags)
        _add_introspection(report, keyfob, issuer, programs, rounds, seconds)
    with (
        servers.keyfob(dsn, **settings, REVOCATION_STREAMS=1),
        subscribers(port, programs.readers) as crowd,
    ):
        assert crowd.hold(SUBSCRIBERS)[200] == 2, "each worker has one stream"
        with _service("package", issuer, programs) as service:
            _wait_for(service, "polling")
            lags = asyncio.run(_lags(port, service.port, 20 * rounds, every=0.01))
            _wait_for(service, "polling")
    _add_lag(report, "where it polls", 1000, lags)


def _hold(crowd: Subscribers) -> None:
    statuses = crowd.hold(SUBSCRIBERS)
    assert statuses == {200: SUBSCRIBERS}, statuses


def _add_memory(report: figures.Report, keyfob: Server, crowd: Subscribers) -> None:
    run_clients(HOST, keyfob.port, refreshes, _REFRESHING, 1.0)
    crowd.hold(20)  # the first stream's own work is done
    crowd.hold(0)
    before = processes.resident_mb(keyfob.process.pid)
    _hold(crowd)
    grown = processes.resident_mb(keyfob.process.pid) - before
    report.add(
        "memory of a subscriber in its worker",
        [grown * 1000 / SUBSCRIBERS],
        100,
        f"{grown:.1f} MB for {SUBSCRIBERS}, one of them asleep",
        at_most=True,
        unit=" kB",
    )


def _add_refreshes(
    report: figures.Report, keyfob: Server, crowd: Subscribers, rounds: int, seconds: float
) -> None:
    def side(count: int) -> Result:
        crowd.hold(count)
        with _sign_outs(keyfob.port):
            return run_clients(HOST, keyfob.port, refreshes, _REFRESHING, seconds)

    sides = figures.in_turn(rounds, lambda: side(0), lambda: side(SUBSCRIBERS))
    p99s = [[result.percentile(0.99) * 1000 for result in one] for one in sides]
    rates = [[result.rate for result in one] for one in sides]
    for name, tails, seen in zip(("no", str(SUBSCRIBERS)), p99s, rates, strict=True):
        report.figure("refresh beside subscribers", name, "p99", "ms", tails)
        report.figure("refresh beside subscribers", name, "rate", "/s", seen)
    without, beside = p99s
    report.add(
        f"refresh beside {SUBSCRIBERS} subscribers / without, p99",
        figures.ratios(beside, without),
        1.5,
        f"{_span(beside)} ms, without {_span(without)}; rate {_span(rates[1])}/s, "
        f"without {_span(rates[0])}",
        at_most=True,
        noise=figures.NOISE_OF_TAILS,
    )


def _add_lag(report: figures.Report, where: str, bound: float, lags: Sequence[float]) -> None:
    ordered = sorted(lags)
    report.add(
        f"logout to refusal with the package, {where}, p99",
        [ordered[int(len(ordered) * 0.99)] * 1000],
        bound,
        f"median {ordered[len(ordered) // 2] * 1000:.1f} ms of {len(ordered)}",
        at_most=True,
        unit=" ms",
        noise=figures.NOISE_OF_TAILS,
    )


def _add_introspection(
    report: figures.Report,
    keyfob: Server,
    issuer: str,
    programs: _Programs,
    rounds: int,
    seconds: float,
) -> None:
    """Compare the package with a service that introspects: rate, and CPU of it and Keyfob."""
    with (
        _service("package", issuer, programs) as package,
        _service("introspection", issuer, programs) as asking,
    ):
        _wait_for(package, "streaming")

        def side(service: Server) -> Callable[[], tuple[float, float]]:
            pids = (service.process.pid, keyfob.process.pid)
            client = _Calls(programs.callers)

            def measure() -> tuple[float, float]:
                before = sum(map(processes.cpu_seconds, pids))
                result = run_clients(HOST, service.port, client, _CALLING, seconds)
                assert result.statuses.keys() == {200}, result.statuses
                used = sum(map(processes.cpu_seconds, pids)) - before
                return result.rate, used / len(result.latencies) * 1e6

            return measure

        seen = figures.in_turn(rounds, side(package), side(asking))
    (rates, costs), (asking_rates, asking_costs) = (zip(*one, strict=True) for one in seen)
    report.add(
        "service with the package / that introspects, rate",
        figures.ratios(rates, asking_rates),
        2,
        f"{_span(rates)}/s, introspecting {_span(asking_rates)}",
        at_most=False,
    )
    report.add(
        "service with the package / that introspects, CPU",
        figures.ratios(costs, asking_costs),
        0.5,
        f"{_span(costs)} us a request, Keyfob's included; introspecting {_span(asking_costs)}",
        at_most=True,
    )


@dataclass(frozen=True)
class _Calls:
    """Calls the service again and again with one token."""

    tokens: Sequence[str]

    async def __call__(self, connection: Connection, number: int) -> Step:
        wire = request("GET", "/", token=self.tokens[number])

        async def step() -> int:
            return (await connection.send(wire)).status

        return step


def _span(values: Sequence[float]) -> str:
    return (
        f"{min(values):.3g} to {max(values):.3g}"
        if max(values) < 100
        else (f"{min(values):.0f} to {max(values):.0f}")
    )


async def _lags(keyfob: int, service: int, count: int, *, every: float) -> list[float]:
    """Return the seconds from the answer to a logout until the service refuses, so many times."""
    lags = []

    async def measure() -> None:
        here, there = Connection(HOST, keyfob), Connection(HOST, service)
        for _ in range(count // _LANES):
            _email, tokens = await registered(here)
            access = tokens["access_token"]
            ask = request("GET", "/", token=access)
            assert (await there.send(ask)).status == 200
            await asyncio.sleep(uniform(0, 1))  # at no fixed time after the last one was heard of
            assert (await here.send(request("DELETE", "/logout", token=access))).status == 204
            since = time.perf_counter()
            while (status := (await there.send(ask)).status) == 200:
                await asyncio.sleep(every)
            assert status == 401
            lags.append(time.perf_counter() - since)

    await asyncio.gather(*(measure() for _ in range(_LANES)))
    return lags


@contextlib.contextmanager
def _sign_outs(port: int) -> Iterator[None]:
    """Let some people sign out each second."""
    ends = threading.Event()

    async def sign_out() -> None:
        connection = Connection(HOST, port)
        while not ends.is_set():
            _email, tokens = await registered(connection)
            await connection.send(request("DELETE", "/logout", token=tokens["access_token"]))
            await asyncio.sleep(1 / _SIGN_OUTS_A_SECOND)

    thread = threading.Thread(target=lambda: asyncio.run(sign_out()))
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


@contextlib.contextmanager
def _service(how: str, issuer: str, programs: _Programs) -> Iterator[Server]:
    port = cluster.free_port()
    command = [servers.KEYFOB[0], "-m", "bench.harness.resource_server", how, str(port), issuer]
    path = {"PYTHONPATH": "src:.:sdk/python/src", "BENCH_CLIENT": programs.service}
    with servers.run(command, port, "/feed", path) as service:
        if how == "package":
            asyncio.run(_call(service.port, programs.callers[0]))  # from the first token on
        yield service


async def _call(port: int, token: str) -> None:
    answer = await Connection(HOST, port).send(request("GET", "/", token=token))
    assert answer.status == 200, answer


def _wait_for(service: Server, state: str) -> None:
    """Wait until the service follows the feed in that way."""
    until = time.monotonic() + _PATIENCE
    while (seen := urlopen(f"http://{HOST}:{service.port}/feed").read().decode()) != state:
        if time.monotonic() > until:
            raise TimeoutError(f"the feed is {seen}, not {state}")
        time.sleep(0.1)


async def _programs(port: int, issuer: str) -> _Programs:
    connection = Connection(HOST, port)
    email, password = servers.ADMIN
    signed_in = {"email": email, "password": password}
    admin = (await connection.send(request("POST", "/login", body=signed_in))).json()
    maker = _Maker(connection, admin["access_token"])
    orders = {"identifier": RESOURCE, "name": "Orders", "scopes": {"orders:read": {}}}
    await maker.post("/admin/resources", orders)
    reads, calls = ["revocations:read"], ["orders:read"]
    readers = [await maker.program(issuer, reads) for _ in range(SUBSCRIBERS // _OF_ONE_PROGRAM)]
    caller = await maker.program(RESOURCE, calls)
    return _Programs(
        await maker.program(issuer, reads + calls, RESOURCE),
        [await maker.token_of(reader) for reader in readers],
        [await maker.token_of(caller) for _ in range(_CALLING)],
    )


@dataclass(frozen=True)
class _Maker:
    """Registers programs, by the admin API."""

    connection: Connection
    admin: str

    async def post(self, path: str, body: dict[str, object]) -> dict[str, str]:
        answer = await self.connection.send(request("POST", path, token=self.admin, body=body))
        assert answer.status == 201, answer
        made: dict[str, str] = answer.json()
        return made

    async def program(self, resource: str, scope: list[str], *further: str) -> str:
        """Return its id and secret, with a colon between."""
        asked = {"name": "Bench", "scope": scope, "resources": [resource, *further]}
        made = await self.post("/admin/clients", asked)
        secret = await self.post(f"/admin/clients/{made['id']}/secrets", {})
        return f"{made['id']}:{secret['client_secret']}"

    async def token_of(self, program: str) -> str:
        headers = {"authorization": basic(program)}
        form = {"grant_type": "client_credentials"}
        wire = request("POST", "/oauth2/token", form=form, headers=headers)
        answer = await self.connection.send(wire)
        assert answer.status == 200, answer
        token: str = answer.json()["access_token"]
        return token
