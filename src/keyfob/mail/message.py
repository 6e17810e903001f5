"""One mail as it goes over the wire (RFC 5322, RFC 2045).

It is a pure function of the job: sent again after a crash it is the same message with the same
Message-ID, so that a receiver can tell.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import idna

from keyfob.mail.writing import Written
from keyfob.outbox.errors import GiveUp

if TYPE_CHECKING:
    from email.headerregistry import Address

# RFC 5321 section 4.5.3.1: of the local part, and of the whole path less its brackets.
_LONGEST_LOCAL, _LONGEST = 64, 254
# A dot-atom (RFC 5321 section 4.1.2), or what RFC 6531 adds to it; and what hides in a text.
_ATOM = r"[\w!#$%&'*+/=?^`{|}~\-\u00a1-\U0010ffff]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_HIDDEN = re.compile(
    r"[\x00-\x20\x7f-\xa0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail ready to be handed to a carrier."""

    id: UUID
    sender: str
    to: str
    content: bytes
    written: Written

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server that speaks SMTPUTF8 (RFC 6531) can carry it."""
        return not self.to.isascii()


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes, as in `KEYFOB_MAIL_FROM`: `Keyfob <no-reply@example.com>` or the bare address."""

    name: str
    address: str

    @classmethod
    def parse(cls, text: str) -> "Sender":
        """Read the setting, whose form was checked already.

        Raises:
            GiveUp: no mail can come from there, or only through servers that speak SMTPUTF8.
        """
        name, bracket, address = text.rpartition("<")
        plain = plain_address(address.rstrip("> ") if bracket else text)
        if not plain.isascii():
            raise GiveUp("the address of the sender should be in ASCII before its @")
        return cls(name.strip().strip('"'), plain)

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def plain_address(typed: str) -> str:
    """Return an address with its domain in ASCII (RFC 5891), for envelope and headers.

    Raises:
        GiveUp: no mail can be addressed so. Threat: a line break would begin a header or a command
            of its own; a mark that turns the direction would disguise who gets the mail.
    """
    typed = unicodedata.normalize("NFKC", typed.strip(" "))  # as `users.email` judged it
    local, _, domain = typed.rpartition("@")
    if not _LOCAL.fullmatch(local) or _HIDDEN.search(typed):
        raise GiveUp("the address cannot be written into a mail")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise GiveUp("the domain of the address is none") from None
    address = f"{local}@{ascii_domain}"
    if len(local.encode()) > _LONGEST_LOCAL or len(address.encode()) > _LONGEST:
        raise GiveUp("the address is too long")
    return address


def _header(name: str, address: str) -> "Address":
    from email.headerregistry import Address  # noqa: PLC0415 - 1 MB, only where used

    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)


def compose(
    job_id: UUID, written_at: datetime, sender: Sender, to: str, locale: str, written: Written
) -> Letter:
    """Build the message.

    Raises:
        GiveUp: the address cannot be written into a header.
    """
    from email import policy  # noqa: PLC0415 - 1 MB, only where used
    from email.message import EmailMessage  # noqa: PLC0415 - likewise
    from email.utils import format_datetime  # noqa: PLC0415 - likewise

    address = plain_address(to)
    rules = policy.SMTP if address.isascii() else policy.SMTPUTF8
    message = EmailMessage(policy=rules.clone(cte_type="7bit"))
    message["From"] = _header(sender.name, sender.address)
    message["To"] = _header("", address)
    message["Subject"] = written.subject
    message["Date"] = format_datetime(written_at)
    message["Message-ID"] = f"<{job_id.hex}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers it
    message.set_content(written.text)
    message.add_alternative(written.html, subtype="html")
    message["Content-Language"] = locale
    message.set_boundary(f"=_{job_id.hex}")
    return Letter(job_id, sender.address, address, message.as_bytes(), written)
