"""Counts of what was judged, and how the issuer is reached."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

log = logging.getLogger("keyfob_client")

_NEWS_SECONDS = 60.0

# Told the name of an event and what is known of it, such as "feed_lost"; it must not block.
Hook = Callable[[str, Mapping[str, object]], None]


class FeedState(StrEnum):
    """The ways in which revocations are followed."""

    OFF = "off"  # they are not
    STARTING = "starting"  # the list was not read yet
    STREAMING = "streaming"
    POLLING = "polling"  # the stream is cut
    LOST = "lost"  # no contact for so long that tokens are answered 503


@dataclass
class Metrics:
    """Counts since the start; read them whenever you like.

    Attributes:
        verified: tokens whose signature was verified.
        remembered: tokens that were known from memory.
        refused: refusals by their reason.
        events: how often each event happened, such as `keys_not_fetched` and `feed_lost`.
        feed: how revocations are followed.
        revocations: how many are held.
        feed_contact_at: the seconds since 1970 of the last contact with the feed.
        hook: is told each event.
    """

    verified: int = 0
    remembered: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    feed: FeedState = FeedState.OFF
    revocations: int = 0
    feed_contact_at: float | None = None
    hook: Hook | None = None
    _known_until: dict[str, float] = field(default_factory=dict, repr=False)

    def log_answer(self, status: int, reason: str) -> None:
        """Write to the log why a request is refused; while nothing can be judged, once a minute."""
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            log.info("answered %d: %s", status, reason)
        elif self.is_news(reason):
            log.warning("answered %d: %s", status, reason)

    def is_news(self, what: str) -> bool:
        """Tell whether this was not asked within the last minute."""
        now = time.monotonic()
        if now < self._known_until.get(what, now):
            return False
        self._known_until[what] = now + _NEWS_SECONDS
        return True

    def tell(self, event: str, level: int = logging.INFO, **known: object) -> None:
        """Count an event, write it to the log, and hand it to the hook."""
        self.events[event] += 1
        log.log(level, "%s %s", event, known)
        if self.hook is not None:
            self.hook(event, known)
