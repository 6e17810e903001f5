"""The form of a mail on the wire (RFC 5322, RFC 2045).

It is a pure function of the job: after a crash, the same message is sent again with the same
Message-ID, so that a receiver can recognise it.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime, quote
from uuid import UUID

import idna

from keyfob.mail.models import Recipient
from keyfob.mail.writing import Written
from keyfob.outbox.errors import GiveUp

# RFC 2047 section 2: the longest encoded word.
_LONGEST_WORD = 75
_LONGEST_UNFOLDED = 60
# RFC 5321 section 4.5.3.1: the limits of the local part, and of the path without its brackets.
_LONGEST_LOCAL, _LONGEST = 64, 254
# A dot-atom (RFC 5321 section 4.1.2), with the additions of RFC 6531; and invisible characters.
_ATOM = r"[\w!#$%&'*+/=?^`{|}~\-\u00a1-\U0010ffff]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
# A name that needs no quotes (RFC 5322 section 3.2.5: a phrase of atoms).
_ATOMS = re.compile(r"[\w !#$%&'*+/=?^`{|}~-]*", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_HIDDEN = re.compile(
    r"[\x00-\x20\x7f-\xa0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that is ready to be handed over."""

    id: UUID
    sender: str
    to: str
    content: bytes
    written: Written

    @property
    def needs_smtputf8(self) -> bool:
        """True if only a server that supports SMTPUTF8 (RFC 6531) can carry it."""
        return not self.to.isascii()


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender, as in `KEYFOB_MAIL_FROM`: `Keyfob <no-reply@example.com>` or a bare address."""

    name: str
    address: str

    @classmethod
    def parse(cls, text: str) -> "Sender":
        """Parse the setting, whose form was checked before.

        Raises:
            GiveUp: no mail can have this sender, or only through servers that support SMTPUTF8.
        """
        name, bracket, address = text.rpartition("<")
        plain = plain_address(address.rstrip("> ") if bracket else text)
        if not plain.isascii():
            raise GiveUp("the address of the sender should be in ASCII before its @")
        return cls(" ".join(_unquoted(name.strip()).split()), plain)

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def _unquoted(name: str) -> str:
    """Return a name without quotes that enclose all of it (RFC 5322 section 3.2.4)."""
    quoted = _QUOTED.fullmatch(name)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else name


def plain_address(typed: str) -> str:
    """Return an address with its domain in ASCII (RFC 5891), for envelope and headers.

    Raises:
        GiveUp: no mail can have this address. Threat: a line break would start another header or
            command; a mark that changes the direction would disguise the recipient.
    """
    typed = unicodedata.normalize("NFKC", typed.strip(" "))  # as for `users.email`
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


def _from(sender: Sender) -> bytes:
    if not sender.name:
        return _header("From", "", sender.address)
    name = sender.name
    if _is_plain(name) and not _ATOMS.fullmatch(name):
        name = f'"{quote(name)}"'
    return _header("From", name, f"<{sender.address}>")


def _header(field: str, text: str, address: str = "") -> bytes:
    """Return a folded header, with encoded words (RFC 2047) if the text is not plain ASCII.

    It is made by `Header`, since `EmailMessage` loses spaces between encoded words.
    """
    header = Header(maxlinelen=_LONGEST_WORD, header_name=field)
    for part, charset in (text, "us-ascii" if _is_plain(text) else "utf-8"), (address, "us-ascii"):
        if part:
            header.append(part, charset)
    value = header.encode(linesep="\r\n")
    return f"{field}: {value}\r\n".encode("ascii")


def _is_plain(text: str) -> bool:
    """Tell whether a text needs no encoding: ASCII that can be folded, and nobody would decode."""
    longest = max(map(len, text.split()), default=0)
    return text.isascii() and "=?" not in text and longest <= _LONGEST_UNFOLDED


def compose(
    job_id: UUID, written_at: datetime, sender: Sender, to: Recipient, written: Written
) -> Letter:
    """Build the message.

    Raises:
        GiveUp: the address cannot be written into a header.
    """
    address = plain_address(to.address)
    message = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit"))
    message["Date"] = format_datetime(written_at)
    message["Message-ID"] = f"<{job_id.hex}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: keeps automatic replies away
    message.set_content(written.text)
    message.add_alternative(written.html, subtype="html")
    message["Content-Language"] = to.locale
    message.set_boundary(f"=_{job_id.hex}")
    # The address unchanged, in UTF-8 if it is not ASCII (RFC 6532).
    head = _from(sender) + f"To: {address}\r\n".encode() + _header("Subject", written.subject)
    return Letter(job_id, sender.address, address, head + message.as_bytes(), written)
