"""The revocations that are held: one map from ids to generations."""

from collections.abc import Iterable

from keyfob_client.judging import RestsOn
from keyfob_client.revocations.document import Entry


class Held:
    """A set of revocations. Ids of sessions, users, clients and tokens never coincide.

    It may be read by several threads while one writes.
    """

    def __init__(self) -> None:
        self._dead: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._dead)

    def kills(self, rests_on: RestsOn) -> bool:
        """Tell whether a token is revoked by any of the ids that it rests on."""
        dead = self._dead
        for of, generation in rests_on:
            held = dead.get(of)
            if held is not None and generation <= held[0]:
                return True
        return False

    def add(self, entries: Iterable[Entry]) -> None:
        """Add revocations; of two for one id the later generation counts, and the later end."""
        for entry in entries:
            generation, until = self._dead.get(entry.of, (entry.generation, entry.until))
            self._dead[entry.of] = (
                max(generation, entry.generation),
                max(until, entry.until),
            )

    def drop_until(self, now: float) -> None:
        """Drop those that concern no token any more."""
        # A copy, since threads read: the issuer has added five minutes for clocks already.
        self._dead = {of: held for of, held in self._dead.items() if held[1] > now}
