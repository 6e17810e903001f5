"""One client asks for all the password checks it can; somebody else signs in meanwhile."""

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.harness import figures, servers
from bench.harness.clients import PASSWORD
from bench.harness.crew import Crew, crew
from bench.harness.load import Connection, Result, Step, request
from bench.harness.storms import beside

CONNECTIONS = 32
ACCOUNTS = 24
_UNTIL_ALL_WAIT = 0.5  # seconds; later an address is held back by its limits

# At shipped limits, behind a proxy: each request says from which address it comes.
_SETTINGS = {"BCRYPT_COST": 12, "LIMITS": "on", "TRUSTED_PROXIES": "127.0.0.1/32"}
# In each round another: what the limits leave of one of them a minute later is not its worst.
_GREEDY: dict[str, Callable[[int], tuple[str, ...]]] = {
    f"one address, {ACCOUNTS} accounts": lambda round_: (f"192.0.2.{round_}",),
    "200 networks of one site": lambda round_: tuple(
        f"2001:db8:{round_:x}:{number:x}::1" for number in range(200)
    ),
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
            nonlocal token
            turn = next(turns)
            headers = _from(self.addresses[turn % len(self.addresses)])
            path, body = "/login", account
            if turn % 2:
                path, body = "/me/reauthenticate", {"password": PASSWORD}
            wire = request("POST", path, token=token, body=body, headers=headers)
            answer = await connection.send(wire)
            if answer.status == 200:
                token = answer.json()["access_token"]  # a proof kills the one that asked for it
            return answer.status

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
        with (
            servers.keyfob(dsn, **_SETTINGS) as ours,
            crew(servers.HOST, ours.port, signs_in_elsewhere) as somebody,
        ):
            somebody.prepare(1)
            _compare(report, ours.port, somebody, who, addresses, rounds, 2 * seconds)


def _compare(
    report: figures.Report,
    port: int,
    somebody: Crew,
    who: str,
    addresses: Callable[[int], tuple[str, ...]],
    rounds: int,
    seconds: float,
) -> None:
    calm: list[Result] = []
    stormy: list[Result] = []

    def alone() -> float:
        calm.append(somebody.run(1, seconds))
        return calm[-1].percentile(0.99)

    def beside_the_greedy() -> float:
        stormy.append(_beside(port, somebody, addresses(len(stormy)), seconds))
        return stormy[-1].percentile(0.99)

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
    sign_ins = sum(len(result.latencies) for result in stormy)
    report.add(
        f"somebody else's sign-ins beside {who}, refused",
        [sign_ins - sum(result.statuses.get(200, 0) for result in stormy)],
        0,
        f"of {sign_ins} in all rounds",
        at_most=True,
    )


def _beside(port: int, somebody: Crew, addresses: tuple[str, ...], seconds: float) -> Result:
    with crew(servers.HOST, port, TakesAll(addresses)) as greedy:
        greedy.prepare(CONNECTIONS)
        seen, taken = beside(
            lambda lasting: greedy.run(CONNECTIONS, lasting),
            somebody,
            1,
            seconds,
            until_at_height=_UNTIL_ALL_WAIT,
        )
    assert set(taken.statuses) <= {200, 429, 503}, taken.statuses
    return seen
