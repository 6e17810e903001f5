"""The number of long answers that a worker gives to administrators at a time."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from keyfob.core.problems import TooManyRequests, Unavailable

# The seconds until one that was refused may be tried again.
_RETRY_AFTER = 5


@dataclass
class Places:
    """Counts long answers. Threat: one administrator keeps all others waiting.

    Args:
        most: the most of this worker.
        most_of_one: the most of one administrator.
    """

    most: int = 4
    most_of_one: int = 1
    taken: Counter[UUID | None] = field(default_factory=Counter)

    def take(self, actor_id: UUID | None) -> None:
        """Take a place; `give` it back in any case.

        Raises:
            TooManyRequests: the actor has as many as one may have.
            Unavailable: this worker has.
        """
        if self.taken[actor_id] >= self.most_of_one:
            raise TooManyRequests(_RETRY_AFTER)
        if self.taken.total() >= self.most:
            raise Unavailable("Too many long answers are under way", retry_after=_RETRY_AFTER)
        self.taken[actor_id] += 1

    def give(self, actor_id: UUID | None) -> None:
        """Give a place back."""
        self.taken -= Counter({actor_id: 1})
