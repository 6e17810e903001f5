"""What the other rooms ask of passwords."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from keyfob.core.fair_queue import Share
from keyfob.passwords import forms
from keyfob.passwords.families import Check
from keyfob.passwords.hashing import HashingPool
from keyfob.passwords.policy import MAX_CHARACTERS_AS_TYPED, PasswordPolicy, normalised
from keyfob.passwords.schemes import Scheme
from keyfob.passwords.stored import StoredForms


@dataclass(frozen=True)
class PasswordMatch:
    """Whether the password is right; true or false by itself, too.

    `new_hash` is what to store instead, where the stored hash was made elsewhere, by another
    scheme or at another cost.
    """

    matches: bool
    new_hash: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return self.matches


@dataclass(frozen=True)
class Passwords:
    """Hashes, checks and judges passwords."""

    pool: HashingPool
    scheme: Scheme
    policy: PasswordPolicy
    stored: StoredForms

    async def ensure_acceptable(
        self, password: SecretStr, email: str, name: str | None = None
    ) -> None:
        """Refuse a weak password.

        Raises:
            WeakPassword: with the reason.
        """
        await self.policy.ensure_acceptable(password.get_secret_value(), email, name)

    async def hash(self, password: SecretStr, share: Share) -> str:
        """Return a hash to store; `share` is whose it is (`limits.clients.share_of`).

        Raises:
            Overloaded: too many hashes wait, most of them of this share.
        """
        return await self.pool.run(
            lambda: self.scheme.hash(normalised(password.get_secret_value())), share
        )

    def ensure_room(self, share: Share) -> None:
        """Refuse where a check asked for now would be refused.

        Raises:
            Overloaded: too many hashes wait, most of them of this share.
        """
        self.pool.ensure_room(share)

    def checkable(self, stored: str | None, address_normal: str) -> str:
        """Return the stored hash, or where there is none that can be checked what costs as much.

        That is for an unknown e-mail, an account without a password, and a hash of no known form or
        one far too dear. What it costs is what one of the hashes does that are stored: which one,
        the address decides.
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
        """Take as long as a wrong password would, whatever it is; it is never right.

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
        # Others hash what was typed, in whatever form: accept that once, and keep ours from then.
        if password != spelling and check(password):
            return PasswordMatch(True, self.scheme.hash(spelling))
        return PasswordMatch(False)

    def _pretend(self, password: str, stored: str) -> PasswordMatch:
        spend = self._check_of(stored) or self.scheme.hash
        password = password[:MAX_CHARACTERS_AS_TYPED]
        for spelling in {normalised(password), password}:
            spend(spelling)
        return PasswordMatch(False)

    def _check_of(self, stored: str | None) -> Check | None:
        return forms.check_of(stored, self.stored.most_seconds) if stored else None
