"""One client asks for all the password checks it can; somebody else signs in meanwhile."""

import itertools
import multiprocessing
import uuid
from dataclasses import dataclass, field

from bench.harness import figures, servers
from bench.harness.clients import PASSWORD
from bench.harness.load import Connection, Result, Step, request, run_clients, start_clients

CONNECTIONS = 32
ACCOUNTS = 24
_WARM_UP_SECONDS = 3

# At shipped limits, behind a proxy: each request says from which address it comes.
_SETTINGS = {"BCRYPT_COST": 12, "LIMITS": "on", "TRUSTED_PROXIES": "127.0.0.1/32"}
_GREEDY = {
    f"one address, {ACCOUNTS} accounts": ("192.0.2.1",),
    "200 networks of one site": tuple(f"2001:db8:7:{number:x}::1" for number in range(200)),
}


def _from(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


@dataclass(frozen=True)
class TakesAll:
    """Signs in with accounts of its own and proves itself once more, as fast as it is answered."""

    addresses: tuple[str, ...]
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    async def __call__(self, connection: Connection, number: int) -> Step:
        account = {"email": f"{self.name}-{number % ACCOUNTS}@example.com", "password": PASSWORD}
        way = "/register" if number < ACCOUNTS else "/login"
        from_elsewhere = _from(f"10.9.{number}.1")  # getting ready counts for nobody
        answer = await connection.send(request("POST", way, body=account, headers=from_elsewhere))
        assert answer.status in {200, 201}, answer
        token = answer.json()["access_token"]
        turns = itertools.count(number)

        async def step() -> int:
            turn = next(turns)
            headers = _from(self.addresses[turn % len(self.addresses)])
            path, body = "/login", account
            if turn % 2:
                path, body = "/me/reauthenticate", {"password": PASSWORD}
            wire = request("POST", path, token=token, body=body, headers=headers)
            return (await connection.send(wire)).status

        return step


async def signs_in_elsewhere(connection: Connection, _: int) -> Step:
    """Signs in, each time from an address where nobody has."""
    account = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    addresses = (f"198.51.{high}.{low}" for high in range(256) for low in range(256))
    registering = request("POST", "/register", body=account, headers=_from(next(addresses)))
    assert (await connection.send(registering)).status == 201

    async def step() -> int:
        wire = request("POST", "/login", body=account, headers=_from(next(addresses)))
        return (await connection.send(wire)).status

    return step


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    for who, addresses in _GREEDY.items():
        with servers.keyfob(dsn, **_SETTINGS) as ours:
            _compare(report, ours.port, who, addresses, rounds, 2 * seconds)


def _compare(
    report: figures.Report,
    port: int,
    who: str,
    addresses: tuple[str, ...],
    rounds: int,
    seconds: float,
) -> None:
    calm: list[Result] = []
    beside: list[Result] = []

    def alone() -> float:
        calm.append(run_clients(servers.HOST, port, signs_in_elsewhere, 1, seconds))
        return calm[-1].percentile(0.99)

    def beside_the_greedy() -> float:
        beside.append(_beside(port, addresses, seconds))
        return beside[-1].percentile(0.99)

    p99_calm, p99_beside = figures.in_turn(rounds, alone, beside_the_greedy)
    report.add(
        f"somebody else's sign-in beside {who} / in calm, p99",
        figures.ratios(p99_beside, p99_calm),
        3,
        f"calm {min(p99_calm) * 1000:.0f} to {max(p99_calm) * 1000:.0f} ms; "
        f"{CONNECTIONS} connections that ask for password checks without a pause",
        at_most=True,
        noise=figures.NOISE_OF_TAILS,
    )
    report.add(
        f"somebody else's sign-in beside {who}, refused",
        [result.failed for result in beside],
        0,
        f"of {sum(len(result.latencies) for result in beside)} sign-ins",
        at_most=True,
    )


def _beside(port: int, addresses: tuple[str, ...], seconds: float) -> Result:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        greedy = start_clients(
            pool, servers.HOST, port, TakesAll(addresses), CONNECTIONS, seconds + _WARM_UP_SECONDS
        )
        result: Result = start_clients(
            pool, servers.HOST, port, signs_in_elsewhere, 1, seconds
        ).get()
        greedy.get()
        return result
