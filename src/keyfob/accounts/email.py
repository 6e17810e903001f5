"""E-mail addresses: one form for display, as typed, and a normal form for identity.

Two spellings of one address are one account. An address that imitates another or that no mail can
reach is refused only where an account is about to get it: an account that has such an address can
still sign in.
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

# Cyrillic, Greek, Armenian and phonetic letters that look like the Latin letters a to z.
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
            ValueError: the text is not such an address.
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
            # Only the local part: UTS 46 folds the domain, as it does when a mail is addressed.
            # Threat: for a capital sigma at the end of a word, lower() gives the final form and UTS
            # 46 the usual one, which are two domains.
            local = local.lower()
            email = cls(typed, f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}")
            # The library refuses local domains for any use, so a local one is checked as a
            # subdomain.
            judged = f"{email.normal}.example" if email.is_local else email.normal
            has_dot = "." in judged.rpartition("@")[2]
            validate_email(judged if has_dot else f"{judged}.example", check_deliverability=False)
        except (EmailNotValidError, idna.IDNAError, UnicodeError):
            raise ValueError("should be an e-mail address") from None
        if not has_dot:
            raise ValueError("should have a domain with a dot after the @, such as example.com")
        if not local.isascii():
            # Beyond ASCII, local parts are rare and mostly a disguise: a Cyrillic a looks like
            # ours.
            raise ValueError("should have only ASCII characters before the @")
        return email

    def why_not_new(self) -> str | None:
        """Return the reason why no account may get this address; None if there is none.

        Refused are addresses that imitate another or that cannot work.
        """
        local, _, domain = self.normal.rpartition("@")
        if len(local) > _LONGEST_LOCAL:
            return f"should have at most {_LONGEST_LOCAL} characters before the @"
        return "should not imitate another domain" if _imitates(domain) else None

    @property
    def is_local(self) -> bool:
        """Tell whether the domain is local (RFC 6761, 6762): no mail from outside reaches it."""
        domain = self.normal.rpartition("@")[2]
        return any(f".{domain}".endswith(f".{name}") for name in SPECIAL_USE_DOMAIN_NAMES)


def _imitates(domain: str) -> bool:
    """Tell whether a label of a domain, given in ASCII form, only looks like Latin letters.

    A label that could be read as Latin throughout is fine below a top-level domain of its own
    script, where nobody expects Latin letters: москва.рф.
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
