"""The origins of apps that run in browsers, kept in memory: any page may ask, by any origin."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from keyfob.clients import self_registration_queries as queries
from keyfob.clients.uris import origin_of
from keyfob.core.database import Database

# An app may take any port there, as in its redirect URI (`find_redirect_uri`).
_LOOPBACK = re.compile(rb"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::[1-9][0-9]{0,4})?\Z")

# What any app could register: an origin as browsers write it.
_ANY = re.compile(rb"https://[a-z0-9.:\[\]_-]{1,300}\Z")

# Threat: strangers register apps by the thousand, and every worker reads all of them again.
_STRANGERS, _OF_EACH = 2_000, 5


@dataclass(kw_only=True)
class Origins:
    """Knows the origins of the redirect URIs of browser apps that are not disabled.

    Of apps that nobody here has registered, it knows the first five of each, of 2,000 apps. But
    where anybody may register one, it knows every origin. A list would keep nobody out, and whoever
    registers apps by the thousand would push others off.

    Args:
        db: the database.
        open_to_all: anybody may register an app, with any origin.
    """

    db: Database
    open_to_all: bool = False
    _known: frozenset[bytes] = field(default_factory=frozenset)

    async def load(self) -> None:
        """Read the origins into memory."""
        uris = await queries.list_browser_redirect_uris(
            self.db, strangers=0 if self.open_to_all else _STRANGERS, of_each=_OF_EACH
        )
        self._known = await asyncio.to_thread(_origins_of, uris)

    def knows(self, origin: bytes) -> bool:
        """Tell whether an `Origin` header is that of a browser app; `null` is nobody's."""
        if self.open_to_all and (_ANY.match(origin) or _LOOPBACK.match(origin)):
            return True
        return _without_port(origin) in self._known


def _origins_of(uris: Iterable[str]) -> frozenset[bytes]:
    return frozenset(_without_port(origin_of(uri).encode("ascii")) for uri in uris)


def _without_port(origin: bytes) -> bytes:
    """Return an origin of plain http at a loopback address without its port, others as they are."""
    at_loopback = _LOOPBACK.match(origin)
    return at_loopback[1] if at_loopback else origin
