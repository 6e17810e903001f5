"""Definitions that a worker keeps in memory: few, read by many requests, changed rarely."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(kw_only=True, eq=False)
class Kept(Generic[T]):
    """Definitions by name, as the database has them.

    Args:
        read: returns all of them from the database.
    """

    read: Callable[[], Awaitable[Mapping[str, T]]]
    present: Mapping[str, T] = field(default_factory=dict)

    async def load(self) -> None:
        """Read them all; again if one was put or dropped meanwhile, or another reading was faster.

        Threat: an older reading takes the place of what has just been committed, and a right that
        was taken away comes back.
        """
        while True:
            before = self.present
            found = await self.read()
            if self.present is before:
                self.present = found
                return

    def put(self, name: str, definition: T) -> None:
        """Keep a definition that was just committed."""
        self.present = {**self.present, name: definition}

    def drop(self, name: str) -> None:
        """Forget a definition whose deletion was just committed."""
        self.present = {known: one for known, one in self.present.items() if known != name}
