"""The rotation statement driven by pgbench, which is written in C: what the database can do."""

import asyncio
import re
import tempfile
from pathlib import Path

import asyncpg

from bench.harness.cluster import USER, Cluster
from bench.limit import raw
from bench.limit.statements import ROTATE

# Each client takes a row of its own first, and then rotates it, each time from what it was given.
_SCRIPT = """\
\\if :generation < 0
SELECT id, secret, 0 AS generation FROM bench_clients WHERE number = :client_id \\gset
\\endif
{rotate} \\gset
"""

_CLIENTS = """
DROP TABLE IF EXISTS bench_clients;
CREATE TABLE bench_clients (number integer PRIMARY KEY, id uuid, secret bytea)
"""


def rotation_rate(cluster: Cluster, database: str, clients: int, seconds: float) -> float:
    """Rotations a second by so many prepared clients over TCP, on fresh rows."""
    asyncio.run(_give_rows(cluster.dsn(database), clients))
    rotate = ROTATE.strip()
    for number, name in enumerate(("id", "generation", "secret"), 1):
        rotate = rotate.replace(f"${number}", f":{name}")
    with tempfile.TemporaryDirectory(prefix="kf-") as folder:
        script = Path(folder) / "rotate.sql"
        script.write_text(_SCRIPT.format(rotate=rotate))
        script.chmod(0o644)
        Path(folder).chmod(0o755)
        said = cluster.run(
            "pgbench",
            *("--no-vacuum", "--protocol=prepared", "--define=generation=-1"),
            *(
                f"--client={clients}",
                f"--jobs={min(clients, 2)}",
                f"--time={max(1, round(seconds))}",
            ),
            *("--host=127.0.0.1", f"--port={cluster.port}", f"--username={USER}"),
            *(f"--file={script}", database),
        )
    found = re.search(r"tps = ([0-9.]+)", said)
    assert found is not None, said
    assert "number of failed transactions: 0 " in said, said
    return float(found[1])


async def _give_rows(dsn: str, clients: int) -> None:
    """Give each client a row that nobody has rotated."""
    rows = await raw.make_sessions(dsn, clients)
    connection = await asyncpg.connect(dsn)
    await connection.execute(_CLIENTS)
    await connection.executemany(
        "INSERT INTO bench_clients VALUES ($1, $2, $3)",
        [(number, *row) for number, row in enumerate(rows)],
    )
    await connection.close()
