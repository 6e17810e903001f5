"""`python -m bench.peers [NAME ...]`: a short run of each scene of contestants: do they work?"""

import argparse

from bench.harness import cluster, processes, servers
from bench.harness.load import run_clients
from bench.peers import field
from bench.peers.contestant import Contestant, Hashing, Unavailable

HASHINGS: tuple[Hashing, ...] = ("own", "ours")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(field.names())}")
    parser.add_argument("--seconds", type=float, default=2, help="seconds a scene (default 2)")
    parser.add_argument("--clients", type=int, default=8, help="(default 8)")
    wanted = parser.parse_args()
    with cluster.temporary() as database:
        for name in wanted.names or field.names():
            contestant = field.load(name)
            for hashing in HASHINGS:
                print(f"\n{contestant.name} {contestant.version}, {hashing} hashing", flush=True)
                try:
                    contestant.install()
                    _run(contestant, database, hashing, wanted.clients, wanted.seconds)
                except Unavailable as reason:
                    print(f"  unavailable: {reason}")


def _run(
    contestant: Contestant,
    database: cluster.Cluster,
    hashing: Hashing,
    clients: int,
    seconds: float,
) -> None:
    with contestant.start(database, hashing) as server:
        at_rest = processes.resident_mb(server.process.pid)
        print(f"  started in {server.started_in:.2f} s, {at_rest:.0f} MB")
        for scene, client in contestant.clients.items():
            result = run_clients(servers.HOST, server.port, client, clients, seconds)
            print(
                f"  {scene:12} {result.rate:8.1f}/s  p50 {result.percentile(0.5) * 1000:7.1f} ms  "
                f"p99 {result.percentile(0.99) * 1000:7.1f} ms  {result.statuses}",
                flush=True,
            )


if __name__ == "__main__":
    main()
