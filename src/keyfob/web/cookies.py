"""The cookies of pages: their names, and how they are read and written.

Over https they have the prefix `__Host-` (RFC 6265bis section 4.1.3.2): no other host, path or
plain http can set them. Browsers drop the prefix over plain http, which we serve on loopback only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from starlette.types import Scope

from keyfob.settings.urls import is_loopback

SESSION, STEP = "keyfob", "keyfob-step"
LANGUAGE, ZONE = "keyfob-lang", "keyfob-zone"  # no secrets: a script writes them, too
ROWS = "keyfob-rows"  # how many rows of a list the reader wants
HEIGHT = "keyfob-height"  # and how high they are: one of HEIGHTS
HEIGHTS = ("roomy", "compact")
RETURN = "keyfob-return"  # where to return to by way of a mail
SENT = "keyfob-sent"  # the address to which a mail is on its way
STEP_TTL, RETURN_TTL = timedelta(minutes=5), timedelta(hours=1)
SENT_TTL = timedelta(minutes=10)

_YEAR = timedelta(days=365)
LONGEST = 3072


def read_cookie(scope: Scope, name: str) -> str | None:
    """Return the value of a cookie (RFC 6265 section 5.4); None if it is absent, or is there twice.

    Threat: another app of a shared domain plants a second one, and which comes first is chance.
    """
    found = None
    for part in scope.get("cookies", b"").split(b";"):
        key, has_value, value = part.strip().partition(b"=")
        if has_value and key == name.encode() and len(value) <= LONGEST:
            if found is not None:
                return None
            found = value.decode("latin-1")
    return found


@dataclass(frozen=True)
class CookieJar:
    """Writes cookies for the service's own address: `public_base`."""

    public_base: str

    @property
    def is_secure(self) -> bool:
        """True over https, so that a cookie never leaves over plain http."""
        return urlsplit(self.public_base).scheme == "https"

    @property
    def is_safe(self) -> bool:
        """False over plain http to another machine, where anybody on the way could read them."""
        return self.is_secure or is_loopback(urlsplit(self.public_base).hostname or "")

    def name_of(self, cookie: str) -> str:
        """Return the name of a secret cookie in the browser."""
        return f"__Host-{cookie}" if self.is_secure else f"{cookie}-http"

    def write(self, cookie: str, value: str, until: datetime, now: datetime) -> str:
        """Return the Set-Cookie header of a secret cookie."""
        return self._written(self.name_of(cookie), value, until - now) + "; HttpOnly"

    def drop(self, cookie: str) -> str:
        """Return the Set-Cookie header that makes a browser forget a secret cookie."""
        return self._written(self.name_of(cookie), "", timedelta(0)) + "; HttpOnly"

    def write_plain(self, cookie: str, value: str) -> str:
        """Return the Set-Cookie header of a choice that is kept for a year, and no secret."""
        return self._written(cookie, value, _YEAR)

    def _written(self, name: str, value: str, age: timedelta) -> str:
        secure = "; Secure" if self.is_secure else ""
        return f"{name}={value}; Path=/; SameSite=Lax; Max-Age={int(age.total_seconds())}{secure}"
