"""The origins of apps that run in browsers, kept in memory: any page may ask, by any origin."""

import re
from dataclasses import dataclass, field

from keyfob.clients import queries
from keyfob.clients.uris import origin_of
from keyfob.core.database import Database

# An app may take any port there, as in its redirect URI (`find_redirect_uri`).
_LOOPBACK = re.compile(rb"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::[1-9][0-9]{0,4})?\Z")


@dataclass(kw_only=True)
class Origins:
    """Knows the origins of the redirect URIs of browser apps that are not disabled."""

    db: Database
    _known: frozenset[bytes] = field(default_factory=frozenset)

    async def load(self) -> None:
        """Read the origins into memory."""
        uris = await queries.list_browser_redirect_uris(self.db)
        self._known = frozenset(_without_port(origin_of(uri).encode("ascii")) for uri in uris)

    def knows(self, origin: bytes) -> bool:
        """Tell whether an `Origin` header is that of a browser app; `null` is nobody's."""
        return _without_port(origin) in self._known


def _without_port(origin: bytes) -> bytes:
    """Return an origin of plain http at a loopback address without its port, others as they are."""
    at_loopback = _LOOPBACK.match(origin)
    return at_loopback[1] if at_loopback else origin
