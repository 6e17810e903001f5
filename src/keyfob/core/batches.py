"""Changing very many rows in one transaction, with no statement that takes too long."""

from collections.abc import Awaitable, Callable

AT_ONCE = 5000


async def in_batches(change: Callable[[int], Awaitable[int]]) -> int:
    """Repeat a change of at most so many rows until none is left, and return how many there were.

    However many somebody has piled up, no statement of it meets the time-out.
    """
    amount = changed = await change(AT_ONCE)
    while changed == AT_ONCE:
        changed = await change(AT_ONCE)
        amount += changed
    return amount
