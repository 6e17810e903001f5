"""From the answer to a logout in one instance to the refusal in another."""

import asyncio
import time

from bench.harness import figures, servers
from bench.harness.clients import registered
from bench.harness.load import Connection, request


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    _add(report, dsn, "", 100, "notify", int(60 * rounds))
    _add(report, dsn, ", where the feed polls", 1000, "poll", int(6 * rounds))


def _add(report: figures.Report, dsn: str, where: str, bound: float, feed: str, count: int) -> None:
    settings = {"BCRYPT_COST": 4, "ISSUER": "http://localhost/auth", "FEED": feed}
    with servers.keyfob(dsn, **settings) as here, servers.keyfob(dsn, **settings) as there:
        lags = sorted(asyncio.run(_lags(here.port, there.port, count)))
    report.add(
        f"logout to refusal elsewhere{where}, p99",
        [lags[int(len(lags) * 0.99)] * 1000],
        bound,
        f"median {lags[len(lags) // 2] * 1000:.1f} ms of {len(lags)}",
        at_most=True,
        unit=" ms",
    )


async def _lags(here: int, there: int, count: int) -> list[float]:
    one, other = Connection(servers.HOST, here), Connection(servers.HOST, there)
    lags = []
    for _ in range(count):
        _email, tokens = await registered(one)
        access = tokens["access_token"]
        ask = request("GET", "/me", token=access)
        assert (await other.send(ask)).status == 200
        assert (await one.send(request("DELETE", "/logout", token=access))).status == 204
        since = time.perf_counter()
        while (await other.send(ask)).status == 200:
            await asyncio.sleep(0.0005)
        lags.append(time.perf_counter() - since)
    return lags
