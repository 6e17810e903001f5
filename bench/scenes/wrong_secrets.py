"""Two thousand wrong secrets of clients a second, beside people and programs at work.

Half of the guesses name a client that is there, half clients that are not; each secret is
well-formed, so that only its digest tells. They come from a thousand addresses, as a trusted proxy
would report them: the shipped limit tells one address 429 after the first 1,200 failures in a
minute, looks nothing up for it any more, and holds the answer for a moment. Others refresh, get
tokens and sign in meanwhile, each from an address of its own, as the turns at the server go by
address. So many come a second, whether or not those before were answered; but each waits for the
answer to its own last request. Calm and guesses in turn. For the cost of one, guesses are also sent
without a pause, from one address and from a thousand.
"""

import asyncio
import base64
import math
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.harness import figures, processes, servers
from bench.harness.arrivals import Told
from bench.harness.clients import FromAddresses, logs_in, refreshes
from bench.harness.crew import Crew, crew
from bench.harness.load import Client, Connection, request
from bench.harness.pour import Poured, pour
from bench.scenes.programs import COUNTED, gets_tokens, make_program
from keyfob.core.encryption import SecretKeyring
from keyfob.core.machine_secrets import MachineSecrets

A_SECOND = 2000
TABLE = "beside wrong secrets"
_GUESSES = _ADDRESSES = 1000
_FOREIGN = "a secret key of somebody else, and not of the server"

# What others do: who does it, how often a second, and how many take turns.
_WORK: dict[str, tuple[Client, float, int]] = {
    "refresh": (FromAddresses(refreshes, "10.78.0"), 100, 32),
    "token": (FromAddresses(gets_tokens, "10.78.1"), 100, 8),
    "sign-in": (FromAddresses(logs_in, "10.78.2"), 2, 8),
}
_PLENTY = "1000000/minute"
_SETTINGS = {
    **COUNTED,
    "BCRYPT_COST": 12,
    "HASHING_BUDGET": 30,
    "TRUSTED_PROXIES": f"{servers.HOST}/32",
    **{f"LIMIT_LOGIN{what}": _PLENTY for what in ("", "_PAIR", "_ACCOUNT")},
}
_LINES, _LINES_WITHOUT_A_PAUSE = 64, 8
_UNTIL_AT_HEIGHT = 2.0
_ROOM = 3  # a side takes so many times the seconds of a round, as few sign in

Crews = dict[str, Crew]
Seen = dict[str, Told]


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    calm, beside, poured = [], [], []
    with servers.keyfob(dsn, **_SETTINGS) as server, _gathered(server) as crews:
        client_id = asyncio.run(_known(server.port))
        wires = _guesses(client_id, _ADDRESSES)
        from_one = _guesses(client_id, 1)
        _pour(server, from_one, math.inf, _UNTIL_AT_HEIGHT)  # unmeasured
        costs = figures.in_turn(
            rounds,
            lambda: _cost(server, wires, seconds),
            lambda: _cost(server, from_one, seconds),
        )
        for _ in range(rounds):
            calm.append(_work(crews, _ROOM * seconds))
            worked, sent = _work_beside(server, crews, wires, _ROOM * seconds)
            beside.append(worked)
            poured.append(sent)
    _keep_guesses(report, costs, poured)
    for name in _WORK:
        _compare(report, name, [seen[name] for seen in calm], [seen[name] for seen in beside])


@contextmanager
def _gathered(server: servers.Server) -> Iterator[Crews]:
    """All who work, ready."""
    with ExitStack() as running:
        crews = {}
        for name, (client, _, count) in _WORK.items():
            crews[name] = running.enter_context(crew(servers.HOST, server.port, client))
            crews[name].gather(count)
        yield crews


async def _known(port: int) -> str:
    """Register a client; return its id."""
    connection = Connection(servers.HOST, port)
    header = await make_program(connection)
    connection.close()
    return base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[0]


def _guesses(known: str, addresses: int) -> list[bytes]:
    """Requests for tokens, each with another secret, from so many addresses."""
    made = MachineSecrets(SecretKeyring([_FOREIGN]).derive("guesses"), "kfs_")
    return [
        _guess(client_id, made.make().text, number % addresses)
        for number in range(_GUESSES)
        for client_id in (known, str(uuid.uuid4()))
    ]


def _guess(client_id: str, secret: str, number: int) -> bytes:
    basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    address = f"10.77.{number >> 8}.{number & 255}"
    headers = {"authorization": f"Basic {basic}", "x-forwarded-for": address}
    form = {"grant_type": "client_credentials"}
    return request("POST", "/oauth2/token", form=form, headers=headers)


def _pour(server: servers.Server, wires: Sequence[bytes], rate: float, seconds: float) -> Poured:
    lines = _LINES_WITHOUT_A_PAUSE if rate == math.inf else _LINES
    poured = pour(servers.HOST, server.port, wires, rate, seconds, lines=lines)
    assert set(poured.statuses) <= {401, 429}, poured
    return poured


@dataclass(frozen=True)
class Cost:
    """Guesses without a pause: how many a second, and CPU time for each, in ms."""

    rate: float
    server_cpu: float
    sender_cpu: float
    told_to_wait: float  # the share of 429


def _cost(server: servers.Server, wires: Sequence[bytes], seconds: float) -> Cost:
    before = processes.cpu_seconds(server.process.pid)
    poured = _pour(server, wires, math.inf, seconds)
    used = processes.cpu_seconds(server.process.pid) - before
    return Cost(
        poured.rate,
        used / poured.count * 1000,
        poured.cpu_seconds / poured.count * 1000,
        poured.statuses.get(429, 0) / poured.count,
    )


def _work(crews: Crews, seconds: float) -> Seen:
    """Let all work side by side."""
    with ThreadPoolExecutor(len(crews)) as threads:
        working = {
            name: threads.submit(each.arrive, _WORK[name][1], seconds, one_at_a_time=True)
            for name, each in crews.items()
        }
        return {name: each.result() for name, each in working.items()}


def _work_beside(
    server: servers.Server, crews: Crews, wires: Sequence[bytes], seconds: float
) -> tuple[Seen, Poured]:
    lasting = seconds + _UNTIL_AT_HEIGHT
    with ThreadPoolExecutor(1) as thread:
        guessing = thread.submit(_pour, server, wires, A_SECOND, lasting)
        time.sleep(_UNTIL_AT_HEIGHT)
        return _work(crews, seconds), guessing.result()


def _keep_guesses(
    report: figures.Report, costs: Sequence[Sequence[Cost]], poured: Sequence[Poured]
) -> None:
    for name, seen in zip(("from 1,000 addresses", "from one address"), costs, strict=True):
        side = f"guesses without a pause, {name}"
        report.figure(TABLE, side, "rate", "/s", [cost.rate for cost in seen])
        report.figure(TABLE, side, "server CPU", "ms", [cost.server_cpu for cost in seen])
        report.figure(TABLE, side, "sender CPU", "ms", [cost.sender_cpu for cost in seen])
        report.figure(TABLE, side, "429", "", [cost.told_to_wait for cost in seen])
    many, one = ([cost.server_cpu for cost in seen] for seen in costs)
    most = [cost.rate for cost in costs[0]]
    sender = [cost.sender_cpu for cost in costs[0]]
    report.add(
        "wrong secrets of clients answered beside others, a second",
        [sent.rate for sent in poured],
        0.98 * A_SECOND,
        f"{A_SECOND}/s sent; {min(most):.0f} to {max(most):.0f}/s without a pause, alone",
        at_most=False,
    )
    report.add(
        "a wrong secret of a client, server CPU",
        many,
        0.45,
        f"from one address {min(one):.3f} to {max(one):.3f} ms; sending one takes "
        f"{min(sender):.3f} to {max(sender):.3f} ms of the same cores",
        at_most=True,
        unit=" ms",
    )


# The 99th percentile beside the guesses, in that of calm.
_MOST_SLOWER = 3


def _compare(
    report: figures.Report, name: str, calm: Sequence[Told], beside: Sequence[Told]
) -> None:
    before, after = (
        [told.percentile(200, 0.99) * 1000 for told in side] for side in (calm, beside)
    )
    for side, seen in (("calm", calm), (f"{A_SECOND} guesses a second", beside)):
        for share in (0.5, 0.99):
            values = [told.percentile(200, share) * 1000 for told in seen]
            report.figure(TABLE, f"{name}, {side}", f"p{share * 100:g}", "ms", values)
    report.add(
        f"{name} beside {A_SECOND} wrong secrets a second / in calm, p99",
        figures.ratios(after, before),
        _MOST_SLOWER,
        f"{min(after):.1f} to {max(after):.1f} ms, calm {min(before):.1f} to {max(before):.1f}; "
        f"{_WORK[name][1]:g} a second",
        at_most=True,
        noise=figures.NOISE_OF_TAILS,
    )
    answers = sum((Counter(told.answers) for told in beside), Counter[str]())
    asked = answers.total()
    report.add(
        f"{name} beside {A_SECOND} wrong secrets a second, without success",
        [asked - answers["200"]],
        0,
        f"of {asked} in all rounds; " + ", ".join(f"{each}: {answers[each]}" for each in answers),
        at_most=True,
    )
