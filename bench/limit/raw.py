"""Raw limits: bcrypt on all cores, and the rotation statement over bare asyncpg."""

import asyncio
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import bcrypt

from bench.limit.statements import ROTATE, TABLE


def bcrypt_rate(cost: int, seconds: float) -> float:
    """Hashes a second on all cores that this process may use."""
    cores = len(os.sched_getaffinity(0))
    salt = bcrypt.gensalt(cost)

    def loop(until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            bcrypt.hashpw(b"correct horse battery", salt)
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        done = sum(pool.map(loop, [started + seconds] * cores))
    return done / (time.perf_counter() - started)


async def make_sessions(dsn: str, count: int) -> list[tuple[uuid.UUID, bytes]]:
    """Add rows to rotate and return their ids and secrets."""
    rows = [(uuid.uuid4(), os.urandom(32)) for _ in range(count)]
    connection = await asyncpg.connect(dsn)
    await connection.execute(TABLE)
    await connection.executemany(
        "INSERT INTO bench_sessions (id, user_id, role, secret_hash) VALUES ($1, $1, 'user', $2)",
        rows,
    )
    await connection.close()
    return rows


async def rotation_rate(dsn: str, clients: int, seconds: float) -> float:
    """Rotations a second by that many asyncpg connections, each on a row of its own."""
    rows = await make_sessions(dsn, clients)
    connections = [await asyncpg.connect(dsn) for _ in range(clients)]
    until = time.perf_counter() + seconds

    async def loop(connection: "asyncpg.Connection", row: tuple[uuid.UUID, bytes]) -> int:
        done = 0
        while time.perf_counter() < until:
            await connection.fetchrow(ROTATE, row[0], done, row[1])
            done += 1
        return done

    started = time.perf_counter()
    done = await asyncio.gather(*map(loop, connections, rows))
    rate = sum(done) / (time.perf_counter() - started)
    for connection in connections:
        await connection.close()
    return rate
