"""People for administrators to list: rows made by SQL, as each would cost a hash otherwise."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from bench.harness.cluster import Cluster

FILLED = 10_000
PAGE = 50

# The address of number n begins with its MD5; these are of one in the midst of them.
SOMEBODY = hashlib.md5(b"4321").hexdigest()
PART = SOMEBODY[2:10]
BEGINNING = SOMEBODY[:10]


@dataclass(frozen=True)
class People:
    """The SQL that fills the tables of a contestant.

    Args:
        database: what the names of its databases begin with.
        insert: makes those with the numbers $1 to $2, each with the address
            `md5(number)@example.com`, as the contestant's own sign-up would leave them.
        tables: the tables that it fills.
    """

    database: str
    insert: str
    tables: Sequence[str]

    def fill(self, cluster: Cluster, first: int = 1, last: int = FILLED) -> None:
        """Add the people of these numbers to its newest database."""
        asyncio.run(self._fill(cluster, first, last))

    async def _fill(self, cluster: Cluster, first: int, last: int) -> None:
        connection = await asyncpg.connect(cluster.dsn(newest_database(cluster, self.database)))
        await connection.execute(self.insert, first, last)
        for table in self.tables:
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        await connection.close()


def newest_database(cluster: Cluster, name: str) -> str:
    """The newest of the databases that `new_database` made of this name."""
    names = cluster.sql("SELECT datname FROM pg_database ORDER BY oid").split()
    return [one for one in names if re.fullmatch(f"{name}_[0-9a-f]{{8}}", one)][-1]
