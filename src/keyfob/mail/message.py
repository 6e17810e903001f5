"""One mail as it goes over the wire (RFC 5322, RFC 2045).

It is a pure function of the job: sent again after a crash it is the same message with the same
Message-ID, so that a receiver can tell.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import idna

from keyfob.mail.writing import Written
from keyfob.outbox.errors import GiveUp

# RFC 2047 section 2: no encoded word is longer.
_LONGEST_WORD = 75
_LONGEST_UNFOLDED = 60
# RFC 5321 section 4.5.3.1: of the local part, and of the whole path less its brackets.
_LONGEST_LOCAL, _LONGEST = 64, 254
# A dot-atom (RFC 5321 section 4.1.2), or what RFC 6531 adds to it; and what hides in a text.
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
        return cls(" ".join(_unquoted(name.strip()).split()), plain)

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def _unquoted(name: str) -> str:
    """Return a name without the quotes around the whole of it (RFC 5322 section 3.2.4)."""
    quoted = _QUOTED.fullmatch(name)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else name


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


def _from(sender: Sender) -> bytes:
    from email.utils import quote  # noqa: PLC0415 - 1 MB, only where used

    if not sender.name:
        return _header("From", "", sender.address)
    name = sender.name
    if _is_plain(name) and not _ATOMS.fullmatch(name):
        name = f'"{quote(name)}"'
    return _header("From", name, f"<{sender.address}>")


def _header(field: str, text: str, address: str = "") -> bytes:
    """Return a header, folded, with a text in encoded words (RFC 2047) where it is not plain.

    Made by `Header`: the headers of `EmailMessage` lose spaces between encoded words.
    """
    from email.header import Header  # noqa: PLC0415 - 1 MB, only where used

    header = Header(maxlinelen=_LONGEST_WORD, header_name=field)
    for part, charset in (text, "us-ascii" if _is_plain(text) else "utf-8"), (address, "us-ascii"):
        if part:
            header.append(part, charset)
    value = header.encode(linesep="\r\n")
    return f"{field}: {value}\r\n".encode("ascii")


def _is_plain(text: str) -> bool:
    """Tell whether a text can stand as it is: ASCII that folds, and that no reader would decode."""
    longest = max(map(len, text.split()), default=0)
    return text.isascii() and "=?" not in text and longest <= _LONGEST_UNFOLDED


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
    message = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit"))
    message["Date"] = format_datetime(written_at)
    message["Message-ID"] = f"<{job_id.hex}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers it
    message.set_content(written.text)
    message.add_alternative(written.html, subtype="html")
    message["Content-Language"] = locale
    message.set_boundary(f"=_{job_id.hex}")
    # The address as it is, in UTF-8 where it is beyond ASCII (RFC 6532).
    head = _from(sender) + f"To: {address}\r\n".encode() + _header("Subject", written.subject)
    return Letter(job_id, sender.address, address, head + message.as_bytes(), written)
