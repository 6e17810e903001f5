"""Chores beside requests."""

import asyncio

from keyfob.worker import Chore, Worker


async def test_what_is_done_at_the_start_takes_turns() -> None:
    """Else each of many workers that start at once asks the database for a handful at once."""
    steps: list[str] = []

    def chore(name: str) -> Chore:
        async def run() -> None:
            steps.append(f"{name} begins")
            await asyncio.sleep(0)
            steps.append(f"{name} ends")

        return Chore(name, 60, run, at_start=True)

    done = asyncio.Event()

    async def tell() -> None:
        done.set()

    async def nothing() -> None:
        pass

    worker = Worker([chore("one"), chore("two"), Chore("last", 60, tell, at_start=True)], nothing)
    await worker.start()
    await done.wait()
    await worker.stop()

    assert steps == ["one begins", "one ends", "two begins", "two ends"]
