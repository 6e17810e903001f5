"""How a job can end other than done."""


class TryAgain(Exception):
    """Not done, and worth another try after a pause; the reason names no address and no secret.

    `for_all`: the cause would stop the next job of this kind just as well, such as a server that
    is away. Then one job at a time finds out whether it is back, and the others lose no try.

    `slow`: this job took too long, whatever the others do. From now on it waits among its like,
    and has more time (`Job.is_slow`).
    """

    def __init__(self, reason: str, *, for_all: bool = False, slow: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.for_all = for_all
        self.slow = slow


class GiveUp(Exception):
    """Never to be done: the job becomes a dead letter; the reason names no address, no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DoneElsewhere(Exception):
    """Another worker did this job meanwhile; whatever this one did is to be rolled back."""
