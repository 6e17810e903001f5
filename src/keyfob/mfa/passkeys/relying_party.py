"""The owner of passkeys, and the pages on which they work: both from the settings only."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from keyfob.settings import Settings, WrongSetting
from keyfob.settings.urls import ascii_domain, with_ascii_host

log = structlog.get_logger("keyfob.passkeys")

_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*")
# The origin of an Android app, which is not a web origin.
_APP = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class RelyingParty:
    """The RP ID and the origins of WebAuthn (Level 3, sections 4 and 13.4.9).

    `related` origins are of other domains; browsers fetch the list of them (section 5.11). Threat:
    if these came from a request's Host, a passkey used on a phishing page would be accepted here.
    """

    id: str
    origins: tuple[str, ...]
    related: tuple[str, ...] = ()

    @property
    def expected(self) -> list[str]:
        """The pages and apps whose answers are accepted."""
        return [*self.origins, *self.related]


def build_relying_party(settings: Settings) -> RelyingParty:
    """Read both from the settings; the defaults come from the URL of links in mails.

    Raises:
        WrongSetting: no browser would allow passkeys with these values.
    """
    origins = _read("ORIGINS", settings.webauthn_origins, _origin)
    related = _read("RELATED_ORIGINS", settings.webauthn_related_origins, _related)
    told = _read("RP_ID", [settings.webauthn_rp_id] if settings.webauthn_rp_id else [], _rp_id)
    is_told = bool(told or origins or related)
    party = RelyingParty(
        id=told[0] if told else (urlsplit(settings.public_base).hostname or ""),
        origins=origins or (_of_page(settings.public_base),),
        related=related,
    )
    if is_told:
        _ensure_usable(party)
    elif _is_address(party.id):
        # This does not prevent the start: passwords and codes still work.
        log.warning("passkeys_need_a_domain", advice="set KEYFOB_PUBLIC_URL to one")
    return party


def _read(name: str, texts: Sequence[str], read: Callable[[str], str]) -> tuple[str, ...]:
    try:
        return tuple(read(text) for text in texts)
    except ValueError as fault:
        raise WrongSetting(f"KEYFOB_WEBAUTHN_{name}: {fault}") from None


def _rp_id(text: str) -> str:
    try:
        domain = ascii_domain(text)
    except ValueError:
        domain = ""
    if not _is_domain(domain):
        raise ValueError(
            'should be a domain like "example.com", in lower case and with no scheme or port; an '
            "IP address cannot have passkeys"
        )
    return domain


def _ensure_usable(party: RelyingParty) -> None:
    _read("RP_ID", [party.id], _rp_id)
    hosts = {host for origin in party.origins if (host := urlsplit(origin).hostname)}
    below = {host for host in hosts if host.endswith(f".{party.id}")}
    if hosts - below - {party.id}:
        raise WrongSetting(
            "KEYFOB_WEBAUTHN_RP_ID: should be the host of every origin in "
            "KEYFOB_WEBAUTHN_ORIGINS, or a domain above it"
        )
    if below and "." not in party.id and party.id != "localhost":
        raise WrongSetting(
            "KEYFOB_WEBAUTHN_RP_ID: should be a domain of your own; no browser lets passkeys "
            "belong to a top-level domain"
        )


def _is_domain(host: str) -> bool:
    return _DOMAIN.fullmatch(host) is not None and not _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _origin(text: str) -> str:
    """Parse an origin of the settings.

    Raises:
        ValueError: browsers and apps do not use passkeys from such an origin.
    """
    if _APP.fullmatch(text):
        return text
    refusal = ValueError('should be origins like "https://example.com", with commas between')
    try:
        text = with_ascii_host(text)
        parts = urlsplit(text)
        written = _of_page(text)
    except ValueError:
        raise refusal from None
    host = parts.hostname or ""
    spellings = {written, f"{written}:{_USUAL_PORTS.get(parts.scheme)}"}
    if parts.scheme not in _USUAL_PORTS or text.lower().rstrip("/") not in spellings:
        raise refusal
    if not _is_domain(host):
        raise refusal
    if parts.scheme == "http" and host != "localhost" and not host.endswith(".localhost"):
        raise ValueError("should be https://, or http:// of localhost: browsers allow no other")
    return written


def _related(text: str) -> str:
    """Parse an origin of another domain; browsers accept related origins with https only.

    Raises:
        ValueError: it is not such an origin.
    """
    origin = _origin(text)
    if not origin.startswith("https://"):
        raise ValueError('should be origins like "https://example.org", with commas between')
    return origin


def _of_page(url: str) -> str:
    """Return the origin of a URL as browsers write it (RFC 6454 section 6.2)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in {None, _USUAL_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
