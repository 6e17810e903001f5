"""From the answer to a logout in one instance to the refusal in another."""

import asyncio
import time

from bench.harness import figures, servers
from bench.harness.clients import registered
from bench.harness.load import Connection, request


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    settings = {"BCRYPT_COST": 4, "ISSUER": "http://localhost/auth"}
    with servers.keyfob(dsn, **settings) as here, servers.keyfob(dsn, **settings) as there:
        lags = asyncio.run(_lags(here.port, there.port, int(60 * rounds)))
    lags.sort()
    report.add(
        "logout to refusal elsewhere, p99",
        [lags[int(len(lags) * 0.99)] * 1000],
        100,
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
