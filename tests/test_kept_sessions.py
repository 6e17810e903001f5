"""Sessions of PostgreSQL are lent from test to test on both loops, and remember nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
import uvloop


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_the_next_to_connect_gets_the_same_session_as_new(
    dsn: str, loop: Callable[[], Any]
) -> None:
    async def use() -> tuple[int, str, int]:
        connection = await asyncpg.connect(dsn, server_settings={"application_name": "kept"})
        process = connection.get_server_pid()
        width = await connection.fetchval("SHOW work_mem")
        tables = await connection.fetchval("SELECT count(*) FROM pg_class WHERE relname = 'own'")
        await connection.execute("SET work_mem = '77MB'; CREATE TEMP TABLE own (id int)")
        await connection.close()
        return process, width, tables

    with asyncio.Runner(loop_factory=loop) as runner:
        first = runner.run(use())
    with asyncio.Runner(loop_factory=loop) as runner:
        second = runner.run(use())

    assert second == first
    assert first[1:] == ("4MB", 0)
