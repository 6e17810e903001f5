"""The forms of the stored hashes, and the number of accounts with each."""

import re
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from keyfob.core.database import Database
from keyfob.core.encryption import KeyRing
from keyfob.passwords import forms, queries
from keyfob.passwords.families import most_seconds
from keyfob.passwords.schemes import Scheme

_BATCH = 5000
_MOST_NAMED = 20
_FIRST = UUID(int=0)


@dataclass
class StoredForms:
    """Assigns each address without a password a form of hash, whose time its check then takes.

    Threat: after a change of the cost, old hashes take another time than new ones until their
    owners sign in. If every unknown address took the time of the present form, an address with
    another time would be known to have an account. So each unknown address gets one of the stored
    forms, in proportion to the accounts that have it. The choice is made by a MAC of the address:
    the same form each time, in every worker.

    The present form is that of the scheme for new hashes.
    """

    db: Database
    ring: KeyRing
    scheme: Scheme
    _counted: list[tuple[str, int]] = field(default_factory=list)

    async def count(self) -> None:
        """Count the forms again; before the first time, only the present one is known."""
        counted: Counter[str] = Counter()
        longest = most_seconds(self.scheme.seconds)
        for form in await queries.list_stored_forms(self.db):
            decoy = decoy_of(form.example)
            if decoy and forms.check_of(decoy, longest):
                counted[decoy] += form.accounts
        # The present form last: as accounts change to it, so do addresses, and none changes to
        # another.
        present = self.scheme.decoy
        self._counted = sorted(counted.items(), key=lambda one: (one[0] == present, one[0]))

    def draw(self, address_normal: str) -> str:
        """Return a hash that no password matches, of the form that the address is assigned."""
        total = sum(accounts for _, accounts in self._counted)
        mac = self.ring.first.mac(address_normal.encode("utf-8", "surrogatepass"))
        place = int.from_bytes(mac[:8]) * total >> 64
        for decoy, accounts in self._counted:
            if place < accounts:
                return decoy
            place -= accounts
        return self.scheme.decoy

    async def list_unusable(self) -> tuple[int, list[str]]:
        """Count the accounts whose hash has an unknown form or costs too much. Reads all of them.

        Their owners cannot sign in with a password before a recovery. The addresses of the first 20
        are returned, too.
        """
        unusable, named, after = 0, list[str](), _FIRST
        longest = most_seconds(self.scheme.seconds)
        while rows := await queries.list_hashes(self.db, after, _BATCH):
            found = [
                row.email_normal for row in rows if not forms.check_of(row.password_hash, longest)
            ]
            unusable += len(found)
            named += found[: _MOST_NAMED - len(named)]
            after = rows[-1].id
        return unusable, named


def decoy_of(stored: str) -> str | None:
    """Return a hash that no password matches, with the cost of `stored`.

    It reveals nothing about salt and digest except their length. None if `stored` has an unknown
    form.
    """
    parts = forms.parts_of(stored)
    # Characters for zero bits: in base64, where it is also a hex digit, and in crypt's alphabet.
    blanks = (_blank(parts, filler) for filler in "A.") if parts else iter(())
    return next((decoy for decoy in blanks if forms.parts_of(decoy)), None)


def _blank(parts: re.Match[str], filler: str) -> str:
    text = parts.string
    for name in ("salt", "digest"):
        begin, end = parts.span(name)
        text = text[:begin] + re.sub("[^=]", filler, parts[name]) + text[end:]  # the padding stays
    return text
