"""E-mail addresses: the form that was typed, for display, and the one that is the identity.

Two spellings of one address are one account; two addresses that look alike are not allowed to
pass for each other.
"""

import unicodedata
from dataclasses import dataclass
from typing import Annotated

import idna
from email_validator import EmailNotValidError, validate_email
from pydantic import PlainValidator, WithJsonSchema

_LONGEST = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets

# Cyrillic, Greek, Armenian and phonetic letters that a reader takes for those of a to z.
_LOOK_LATIN = frozenset("асеорхуіјѕһԁԛԝӏһкмнтвгпαονρτυικχγѵօսհոıɑɡɩɪʋᴄᴏᴜᴠᴡᴢꜱꞁ")


@dataclass(frozen=True, slots=True)
class Email:
    """An address as typed, and in its normal form (NFKC, lower case, IDNA), which is unique."""

    typed: str
    normal: str

    @classmethod
    def parse(cls, text: object) -> "Email":
        """Read an address.

        Raises:
            ValueError: it is none, or one that could pass for another's.
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
            validate_email(f"{local}@{_to_ascii(domain)}", check_deliverability=False)
        except (EmailNotValidError, idna.IDNAError, UnicodeError):
            raise ValueError("should be an e-mail address") from None
        if not local.isascii():
            # Beyond ASCII a local part is rare, and a disguise: a Cyrillic a reads like ours.
            raise ValueError("should have only ASCII characters before the @")
        return cls(typed=typed, normal=f"{local}@{_to_ascii(domain)}")


def _to_ascii(domain: str) -> str:
    """Write a domain in its ASCII form (RFC 5891), refusing labels that imitate Latin ones."""
    domain = idna.uts46_remap(domain, std3_rules=False)  # other full stops part labels, too
    for label in domain.split("."):
        if not label.isascii() and _imitates(label):
            raise ValueError("should not imitate another domain")
    return idna.encode(domain, uts46=True).decode("ascii")


def _imitates(label: str) -> bool:
    """Tell whether a label mixes scripts, or could be read as a to z throughout."""
    letters = [character for character in label if character.isalpha()]
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in letters}
    mixes = "LATIN" in scripts and bool(scripts & {"CYRILLIC", "GREEK", "ARMENIAN"})
    beyond = [letter for letter in letters if not letter.isascii()]
    return mixes or (bool(beyond) and all(letter in _LOOK_LATIN for letter in beyond))


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
