"""Passwords, for other rooms."""

from collections.abc import Collection
from dataclasses import dataclass, field

from pydantic import SecretStr

from keyfob.core.encryption import KeyRing
from keyfob.core.fair_queue import Share
from keyfob.core.secrets import compare_digest
from keyfob.passwords import forms
from keyfob.passwords.families import Check, most_seconds, normalised
from keyfob.passwords.hashing import HashingPool
from keyfob.passwords.policy import MAX_CHARACTERS_AS_TYPED, PasswordPolicy
from keyfob.passwords.schemes import Scheme
from keyfob.passwords.stored import StoredForms

# The most hashes that one guess costs, whatever it is checked against.
_MOST_HASHES = 5


@dataclass(frozen=True)
class PasswordMatch:
    """The result of a check; its truth value is whether the password is right.

    `new_hash` is to be stored instead, if the stored hash was made by another system, by another
    scheme or at another cost.
    """

    matches: bool
    new_hash: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return self.matches


@dataclass(frozen=True)
class Passwords:
    """Hashes, checks and judges passwords. `salts` are keys that give each address a salt."""

    pool: HashingPool
    scheme: Scheme
    policy: PasswordPolicy
    stored: StoredForms
    salts: KeyRing

    async def ensure_acceptable(
        self, password: SecretStr, email: str, name: str | None = None
    ) -> None:
        """Refuse a weak password.

        Raises:
            WeakPassword: the password is refused, with the reason.
        """
        await self.policy.ensure_acceptable(password.get_secret_value(), email, name)

    async def hash(self, password: SecretStr, share: Share) -> str:
        """Return a hash for storage; `share` is the client's share of the queue (`share_of`).

        Raises:
            Overloaded: too many hashes wait, most of them of this share.
        """
        return await self.pool.run(
            lambda: self.scheme.hash(normalised(password.get_secret_value())), share
        )

    async def hash_sign_up(self, password: SecretStr, address_normal: str, share: Share) -> str:
        """Return a hash for storage of somebody who signs up with an address, as `hash` does.

        All sign-ups with one address have one salt, which nobody without our key knows. So a single
        hash shows which of them a password belongs to (`find`), however many strangers have signed
        up with the address.

        Raises:
            Overloaded: see `hash`.
        """
        salt = self._salt_of(address_normal)
        return await self.pool.run(
            lambda: self.scheme.hash(normalised(password.get_secret_value()), salt), share
        )

    async def find(
        self, password: SecretStr, stored: Collection[str], address_normal: str, share: Share
    ) -> tuple[str, PasswordMatch] | None:
        """Return the one of several hashes that a password matches; None if none does.

        At most five hashes are computed: one for all those that `hash_sign_up` made for the
        address, and the rest for the first of the others, which were made by another system, at
        another cost, or with a former first key.

        Raises:
            Overloaded: see `hash`.
        """
        salt = self._salt_of(address_normal)
        alike = [one for one in stored if self.scheme.has_salt(one, salt)]
        if alike and len(password.get_secret_value()) <= MAX_CHARACTERS_AS_TYPED:
            made = await self.hash_sign_up(password, address_normal, share)
            if any(compare_digest(made, one) for one in alike):
                return made, PasswordMatch(True)
        others = [one for one in stored if one not in alike]
        if not stored:
            others = [""]  # costs as much as a hash
        for one in others[: _MOST_HASHES - bool(alike)]:
            checked = self.checkable(one, address_normal)
            if match := await self.matches(password, checked, share):
                return one, match
        return None

    def ensure_capacity(self, share: Share) -> None:
        """Check that a hash of this share would be accepted now.

        Raises:
            Overloaded: too many hashes wait, most of them of this share.
        """
        self.pool.ensure_capacity(share)

    def checkable(self, stored: str | None, address_normal: str) -> str:
        """Return the stored hash; if there is none that can be checked, one that costs as much.

        The substitute is for an unknown e-mail, an account without a password, and a hash of an
        unknown form or an excessive cost. It costs what one of the stored hashes costs; the address
        determines which one.
        """
        if stored and self._check_of(stored):
            return stored
        return self.stored.draw(address_normal)

    async def matches(self, password: SecretStr, stored: str, share: Share) -> PasswordMatch:
        """Tell whether this is the password behind a hash that is `checkable`.

        Raises:
            Overloaded: too many hashes wait, most of them of this share.
        """
        return await self.pool.run(lambda: self._match(password.get_secret_value(), stored), share)

    async def pretend(self, password: SecretStr, stored: str, share: Share) -> PasswordMatch:
        """Take as long as a wrong password would, for any password; the result is never right.

        Raises:
            Overloaded: too many hashes wait, most of them of this share.
        """
        return await self.pool.run(
            lambda: self._pretend(password.get_secret_value(), stored), share
        )

    def _match(self, password: str, stored: str) -> PasswordMatch:
        check = self._check_of(stored)
        if check is None or len(password) > MAX_CHARACTERS_AS_TYPED:
            return self._pretend(password, stored)

        spelling = normalised(password)
        if check(spelling):
            current = self.scheme.is_current(stored)
            return PasswordMatch(True, None if current else self.scheme.hash(spelling))
        # Other systems hash the typed spelling: accept that once, and store our hash.
        if password != spelling and check(password):
            return PasswordMatch(True, self.scheme.hash(spelling))
        return PasswordMatch(False)

    def _pretend(self, password: str, stored: str) -> PasswordMatch:
        spend = self._check_of(stored) or self.scheme.hash
        password = password[:MAX_CHARACTERS_AS_TYPED]
        for spelling in {normalised(password), password}:
            spend(spelling)
        return PasswordMatch(False)

    def _salt_of(self, address_normal: str) -> bytes:
        return self.salts.first.mac(address_normal.encode("utf-8", "surrogatepass"))[:16]

    def _check_of(self, stored: str | None) -> Check | None:
        return forms.check_of(stored, most_seconds(self.scheme.seconds)) if stored else None
