"""Changes of very many rows in one transaction, without a statement that takes too long."""

from collections.abc import Awaitable, Callable

AT_ONCE = 5000


async def in_batches(change: Callable[[int], Awaitable[int]]) -> int:
    """Repeat a change of at most `AT_ONCE` rows until none is left; return the number of rows.

    However many rows there are, no single statement runs into the time-out.
    """
    amount = changed = await change(AT_ONCE)
    while changed == AT_ONCE:
        changed = await change(AT_ONCE)
        amount += changed
    return amount
