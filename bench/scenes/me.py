"""`GET /me`: verified tokens remembered, and verified anew; without a token; a bare ASGI app."""

from bench.harness import figures, processes, servers
from bench.harness.clients import asks_bare_me, asks_me, asks_me_without_token
from bench.harness.load import Client, run_clients

CLIENTS = 8


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with (
        servers.keyfob(dsn, BCRYPT_COST=4) as cached,
        servers.keyfob(dsn, BCRYPT_COST=4, TOKEN_CACHE_SIZE=0) as uncached,
        servers.bare(dsn) as bare,
    ):
        cpu: dict[str, list[float]] = {}

        def side(name: str, server: servers.Server, client: Client) -> float:
            before = processes.cpu_seconds(server.process.pid)
            result = run_clients(servers.HOST, server.port, client, CLIENTS, seconds)
            used = processes.cpu_seconds(server.process.pid) - before
            cpu.setdefault(name, []).append(used / len(result.latencies) * 1000)
            return result.rate

        remembered, anew, without, without_uncached, bare_rate = figures.in_turn(
            rounds,
            lambda: side("remembered", cached, asks_me),
            lambda: side("anew", uncached, asks_me),
            lambda: side("without", cached, asks_me_without_token),
            lambda: side("without, uncached", uncached, asks_me_without_token),
            lambda: side("bare", bare, asks_bare_me),
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
