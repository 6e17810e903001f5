"""A mail server as the settings describe it, and its access token."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from keyfob.outbox.errors import TryAgain
from keyfob.settings.files import read_short
from keyfob.settings.urls import is_loopback


@dataclass(frozen=True)
class Server:
    """A mail server, with the parameters of connections."""

    host: str
    port: int
    implicit_tls: bool
    starttls: bool
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    token_file: Path | None = None

    @classmethod
    def of_url(cls, url: str, token_file: Path | None = None) -> "Server":
        """Parse `smtp://user:pass@host:587?starttls=1` or `smtps://`, whose form was checked."""
        parts = urlsplit(url)
        implicit, starttls = parts.scheme == "smtps", parts.query == "starttls=1"
        return cls(
            host=parts.hostname or "",
            port=parts.port or (465 if implicit else 587 if starttls else 25),
            implicit_tls=implicit,
            starttls=starttls and not implicit,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or "") if parts.username else None,
            token_file=token_file,
        )

    @property
    def is_private(self) -> bool:
        """True if connections are encrypted, or do not leave this machine."""
        return self.implicit_tls or self.starttls or is_loopback(self.host)


def read_token(path: Path) -> str:
    """Read an access token; again for each mail, since it lives an hour and is renewed outside."""
    try:
        token = read_short(path, "ascii").strip()
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is no text in ASCII"
        raise TryAgain(f"KEYFOB_SMTP_TOKEN_FILE: cannot be read: {why}", for_all=True) from None
    if not token or not token.isprintable():
        raise TryAgain("KEYFOB_SMTP_TOKEN_FILE: should hold one token", for_all=True)
    return token
