"""What apps ask of Keyfob, in the rate of our own refresh; sign-ins to apps in a login storm.

Each person has a session here and an app of their own that they have allowed before, so nobody is
asked anything: an app sends them here, they come back with a code, and the app exchanges it. An
app with a secret does so as most do; one with a key pushes its request, authenticates by
`private_key_jwt` and binds its tokens by DPoP (FAPI 2.0). Limits are on, wide enough not to be
met.
"""

from contextlib import ExitStack
from functools import partial

from bench.harness import figures, servers
from bench.harness.apps import (
    asks_for_codes,
    asks_userinfo,
    signs_in_as_fapi_asks,
    signs_in_by_code,
)
from bench.harness.clients import logs_in, refreshes
from bench.harness.crew import Crew, crew
from bench.harness.load import Client
from bench.harness.storms import beside
from bench.scenes.programs import COUNTED

CLIENTS = 8
FEW, STORMY = 4, 32  # who use an app, and who sign in by password meanwhile
TABLE, STORM = "apps, 8 clients", "apps in a storm, 4 sign in to one and 32 log in"
_PLENTY = "100000000/minute"
WIDE = {
    **COUNTED,
    **{
        f"LIMIT_{what}": _PLENTY
        for what in ("AUTHORIZE", "AUTHORIZE_ADDRESS", "PUSH", "PROOF", "ADMIN", "LOGIN")
    },
    **{f"LIMIT_LOGIN_{what}": _PLENTY for what in ("PAIR", "ACCOUNT")},
}
# What is done, and at least how often, in the rate of our own refresh.
_DONE: dict[str, tuple[Client, float]] = {
    "userinfo": (asks_userinfo, 0.8),
    "code flow": (signs_in_by_code, 0.08),
    "code flow with PAR, DPoP and private_key_jwt": (signs_in_as_fapi_asks, 0.04),
}
_AUTHORIZE = "authorize, with a live session"


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn, **WIDE) as server, ExitStack() as working:
        who = {"refresh": refreshes, **{name: client for name, (client, _) in _DONE.items()}}
        who[_AUTHORIZE] = asks_for_codes
        crews = {
            name: working.enter_context(crew(servers.HOST, server.port, client))
            for name, client in who.items()
        }
        _beside_refresh(report, crews, rounds, seconds)
    with (
        servers.keyfob(dsn, **{**WIDE, "BCRYPT_COST": 12, "HASHING_BUDGET": 30}) as server,
        crew(servers.HOST, server.port, signs_in_by_code) as signing_in,
        crew(servers.HOST, server.port, logs_in) as storm,
    ):
        _in_a_storm(report, signing_in, storm, rounds, seconds)


def _beside_refresh(
    report: figures.Report, crews: dict[str, Crew], rounds: int, seconds: float
) -> None:
    for each in crews.values():
        each.prepare(CLIENTS)
    tails: dict[str, list[float]] = {name: [] for name in crews}

    def rate(name: str) -> float:
        result = crews[name].run(CLIENTS, seconds)
        assert set(result.statuses) == {200}, result.statuses
        tails[name].append(result.percentile(0.99) * 1000)
        return result.rate

    measured = figures.in_turn(rounds, *(partial(rate, name) for name in crews))
    rates = dict(zip(crews, measured, strict=True))
    for name, values in rates.items():
        report.figure(TABLE, name, "rate", "/s", values)
        report.figure(TABLE, name, "p99", "ms", tails[name])
    refreshed = rates["refresh"]
    for name, (_, bound) in _DONE.items():
        report.add(
            f"{name} / refresh, rate",
            figures.ratios(rates[name], refreshed),
            bound,
            f"{min(rates[name]):.0f} to {max(rates[name]):.0f}/s, "
            f"refresh {min(refreshed):.0f} to {max(refreshed):.0f}",
            at_most=False,
        )


def _in_a_storm(
    report: figures.Report, signing_in: Crew, storm: Crew, rounds: int, seconds: float
) -> None:
    """Compare sign-ins to apps in calm with those while many sign in by password."""
    signing_in.prepare(FEW)
    storm.prepare(STORMY)
    calm, stormy = [], []

    def in_calm() -> float:
        calm.append(signing_in.run(FEW, 2 * seconds))
        return calm[-1].rate

    def in_storm() -> float:
        signed_in, _ = beside(
            lambda lasting: storm.run(STORMY, lasting), signing_in, FEW, 2 * seconds
        )
        stormy.append(signed_in)
        return signed_in.rate

    rate_calm, rate_storm = figures.in_turn(rounds, in_calm, in_storm)
    for result in (*calm, *stormy):
        assert set(result.statuses) == {200}, result.statuses
    tails = {
        side: [result.percentile(0.99) * 1000 for result in results]
        for side, results in (("calm", calm), ("storm", stormy))
    }
    for side, values in tails.items():
        report.figure(STORM, side, "p99", "ms", values)
    report.add(
        "code flow in a login storm / in calm, rate",
        figures.ratios(rate_storm, rate_calm),
        0.45,
        f"{min(rate_storm):.0f} to {max(rate_storm):.0f}/s; {STORMY} log in, {FEW} use an app; "
        f"p99 {min(tails['storm']):.1f} to {max(tails['storm']):.1f} ms, "
        f"calm {min(tails['calm']):.1f} to {max(tails['calm']):.1f}",
        at_most=False,
    )
