"""`GET /me`: verified tokens remembered, and verified anew; without a token; a bare ASGI app."""

from bench.harness import figures, processes, servers
from bench.harness.clients import asks_bare_me, asks_me, asks_me_without_token
from bench.harness.crew import Crew, crew

CLIENTS = 8
_WARM_UP_SECONDS = 2.0


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with (
        servers.keyfob(dsn, BCRYPT_COST=4) as cached,
        servers.keyfob(dsn, BCRYPT_COST=4, TOKEN_CACHE_SIZE=0) as uncached,
        servers.bare(dsn) as bare,
        crew(servers.HOST, cached.port, asks_me) as with_token,
        crew(servers.HOST, uncached.port, asks_me) as with_token_uncached,
        crew(servers.HOST, cached.port, asks_me_without_token) as without_token,
        crew(servers.HOST, uncached.port, asks_me_without_token) as without_token_uncached,
        crew(servers.HOST, bare.port, asks_bare_me) as of_bare,
    ):
        cpu: dict[str, list[float]] = {}
        for clients in (
            with_token,
            with_token_uncached,
            without_token,
            without_token_uncached,
            of_bare,
        ):
            # Signing them up, and the mails that follow, are no part of what is measured.
            clients.prepare(CLIENTS)
            clients.run(CLIENTS, _WARM_UP_SECONDS)

        def side(name: str, server: servers.Server, clients: Crew) -> float:
            before = processes.cpu_seconds(server.process.pid)
            result = clients.run(CLIENTS, seconds)
            used = processes.cpu_seconds(server.process.pid) - before
            cpu.setdefault(name, []).append(used / len(result.latencies) * 1000)
            return result.rate

        remembered, anew, without, without_uncached, bare_rate = figures.in_turn(
            rounds,
            lambda: side("remembered", cached, with_token),
            lambda: side("anew", uncached, with_token_uncached),
            lambda: side("without", cached, without_token),
            lambda: side("without, uncached", uncached, without_token_uncached),
            lambda: side("bare", bare, of_bare),
        )
        for name, rates in (
            ("token remembered", remembered),
            ("token verified anew", anew),
            ("without a token", without),
            ("bare ASGI app that verifies", bare_rate),
        ):
            report.figure("GET /me, 8 clients", name, "rate", "/s", rates)
        report.add(
            "GET /me, verified anew / without a token, rate",
            figures.ratios(anew, without_uncached),
            0.45,
            f"{min(anew):.0f} to {max(anew):.0f}/s, {CLIENTS} clients",
            at_most=False,
        )
        report.add(
            "GET /me, token remembered / without, rate",
            figures.ratios(remembered, without),
            1.5,
            f"{min(remembered):.0f} to {max(remembered):.0f}/s",
            at_most=False,
        )
        report.add(
            "GET /me anew / bare app that verifies, CPU",
            figures.ratios(cpu["anew"], cpu["bare"]),
            1.1,
            f"{min(cpu['anew']):.3f} to {max(cpu['anew']):.3f} ms a request, "
            f"bare {min(cpu['bare']):.3f} to {max(cpu['bare']):.3f}",
            at_most=True,
        )
        report.add(
            "GET /me remembered, server CPU", cpu["remembered"], 0.20, "", at_most=True, unit=" ms"
        )
