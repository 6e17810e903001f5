"""E-mail addresses: the form that was typed, for display, and the one that is the identity.

Two spellings of one address are one account. One that passes for another's, or that no mail can
reach, is refused where an account is to get it, and nowhere else: whoever has it signs in with it.
"""

import unicodedata
from dataclasses import dataclass
from typing import Annotated

import idna
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import PlainValidator, WithJsonSchema

_LONGEST = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
_LONGEST_LOCAL = 64  # section 4.5.3.1.1

LOCAL_DOMAIN = (
    "should not be at a domain for tests or local networks, such as .test, .local or localhost"
)

# Cyrillic, Greek, Armenian and phonetic letters that a reader takes for those of a to z.
_LOOK_LATIN = frozenset("асеорхуіјѕһԁԛԝӏһкмнтвгпαονρτυικχγѵօսհոıɑɡɩɪʋᴄᴏᴜᴠᴡᴢꜱꞁ")


@dataclass(frozen=True, slots=True)
class Email:
    """An address as typed, and in its normal form (NFKC, lower case, IDNA), which is unique."""

    typed: str
    normal: str

    @classmethod
    def parse(cls, text: object) -> "Email":
        """Read an address that an account may have.

        Raises:
            ValueError: it is none.
        """
        if isinstance(text, Email):
            return text
        if not isinstance(text, str) or not 3 <= len(text) <= _LONGEST:
            raise ValueError("should be an e-mail address")
        typed = text.strip(" ")
        if not typed.isprintable():
            raise ValueError("should have no invisible characters")
        try:
            local, _, domain = unicodedata.normalize("NFKC", typed).rpartition("@")
            # The local part alone: UTS 46 folds the domain, here as where a mail is addressed.
            # Threat: lower() gives a capital sigma at a word's end its other form, UTS 46 does not,
            # and those are two domains.
            local = local.lower()
            email = cls(typed, f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}")
            # The library refuses local domains whatever they are for, so one is judged as a part.
            judged = f"{email.normal}.example" if email.is_local else email.normal
            has_dot = "." in judged.rpartition("@")[2]
            validate_email(judged if has_dot else f"{judged}.example", check_deliverability=False)
        except (EmailNotValidError, idna.IDNAError, UnicodeError):
            raise ValueError("should be an e-mail address") from None
        if not has_dot:
            raise ValueError("should have a domain with a dot after the @, such as example.com")
        if not local.isascii():
            # Beyond ASCII a local part is rare, and a disguise: a Cyrillic a reads like ours.
            raise ValueError("should have only ASCII characters before the @")
        return email

    def why_not_new(self) -> str | None:
        """Say why no account is to get this address, where it passes for another's or cannot work.

        None: nothing speaks against it.
        """
        local, _, domain = self.normal.rpartition("@")
        if len(local) > _LONGEST_LOCAL:
            return f"should have at most {_LONGEST_LOCAL} characters before the @"
        return "should not imitate another domain" if _imitates(domain) else None

    @property
    def is_local(self) -> bool:
        """Tell whether no mail from outside reaches it: its domain is local (RFC 6761, 6762)."""
        domain = self.normal.rpartition("@")[2]
        return any(f".{domain}".endswith(f".{name}") for name in SPECIAL_USE_DOMAIN_NAMES)


def _imitates(domain: str) -> bool:
    """Tell whether a domain in its ASCII form has, to a reader, labels of a to z that are none.

    One whose letters could all be read as Latin is itself below a domain of its own script, where
    nobody looks for a Latin one: москва.рф.
    """
    labels = [idna.decode(part) if part.startswith("xn--") else part for part in domain.split(".")]
    top = labels[-1]
    for label in labels:
        if label.isascii():
            continue
        if _mixes(label):
            return True
        is_at_home = not top.isascii() and _scripts(top) == _scripts(label)
        if _reads_as_latin(label) and not is_at_home:
            return True
    return False


def _scripts(label: str) -> set[str]:
    return {unicodedata.name(letter, "").partition(" ")[0] for letter in label if letter.isalpha()}


def _mixes(label: str) -> bool:
    scripts = _scripts(label)
    return "LATIN" in scripts and bool(scripts & {"CYRILLIC", "GREEK", "ARMENIAN"})


def _reads_as_latin(label: str) -> bool:
    beyond = [letter for letter in label if letter.isalpha() and not letter.isascii()]
    return bool(beyond) and all(letter in _LOOK_LATIN for letter in beyond)


EmailIn = Annotated[
    Email,
    PlainValidator(Email.parse),
    WithJsonSchema(
        {
            "type": "string",
            "format": "email",
            "maxLength": _LONGEST,
            "examples": ["ada@example.com"],
        }
    ),
]
