"""The clock of a test."""

import time


class Clock:
    """It begins at the system's time, and stands still until it is moved."""

    def __init__(self) -> None:
        self._now = float(int(time.time()))

    def __call__(self) -> float:
        """Return the seconds since 1970."""
        return self._now

    def move(self, seconds: float) -> None:
        """Move it on by so many seconds."""
        self._now += seconds
