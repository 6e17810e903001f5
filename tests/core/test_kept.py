"""What a worker keeps in memory is never older than what it has committed."""

import asyncio
from collections.abc import Mapping

from keyfob.core.kept import Kept


class Table:
    """Rows that are read when the test lets a reading end."""

    def __init__(self) -> None:
        self.rows = {"clerk": "may write"}
        self.goes_on = asyncio.Event()

    async def read(self) -> Mapping[str, str]:
        found = dict(self.rows)
        await self.goes_on.wait()
        return found


async def test_a_reading_from_before_a_change_does_not_undo_it() -> None:
    table = Table()
    kept = Kept(read=table.read)
    reading = asyncio.create_task(kept.load())
    await asyncio.sleep(0)

    table.rows["clerk"] = "may read"
    kept.put("clerk", "may read")
    table.goes_on.set()
    await reading

    assert kept.present == {"clerk": "may read"}


async def test_a_reading_from_before_a_deletion_brings_nothing_back() -> None:
    table = Table()
    kept = Kept(read=table.read, present=dict(table.rows))
    reading = asyncio.create_task(kept.load())
    await asyncio.sleep(0)

    del table.rows["clerk"]
    kept.drop("clerk")
    table.goes_on.set()
    await reading

    assert kept.present == {}


async def test_a_change_that_began_before_a_reading_is_kept_after_it() -> None:
    table = Table()
    table.goes_on.set()
    kept = Kept(read=table.read)
    put = kept.put  # as a transaction keeps it until its commit

    await kept.load()
    put("reader", "may read")

    assert kept.present == {"clerk": "may write", "reader": "may read"}
