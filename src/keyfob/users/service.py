"""Adding and changing accounts."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from asyncpg import Record

from keyfob.core.authority import Role
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.locales import Locale
from keyfob.core.problems import InvalidInput
from keyfob.core.secrets import new_id
from keyfob.core.telemetry import mask_email
from keyfob.users import queries
from keyfob.users.email import LOCAL_DOMAIN, Email
from keyfob.users.errors import EmailTaken, LastAdmin, UnprovenRole, UserNotFound
from keyfob.users.models import NOT_KEPT, Status


@dataclass(frozen=True)
class Changes:
    """What to change of an account; None leaves it as it is, except `name` where `clears_name`."""

    role: Role | None = None
    status: Status | None = None
    name: str | None = None
    email: Email | None = None
    clears_name: bool = False

    def concern_access(self, account: Record) -> bool:
        """Tell whether they give an account another role, status or address, not a name alone."""
        return bool(
            (self.role and self.role != account["role"])
            or (self.status and self.status != account["status"])
            or (self.email and self.email.typed != account["email"])
        )


@dataclass(frozen=True)
class Change:
    """What an account was and is, without personal data: for the audit log and the sessions."""

    old: dict[str, Any]
    new: dict[str, Any]
    moved_from: Email | None = None  # the address before, where the account has another now
    was_proven: bool = False  # that address


@dataclass(frozen=True)
class Users:
    """The accounts. Where addresses are to be proven, one that is not opens nothing.

    `takes_local`: an account may have an address that no mail from outside reaches.
    """

    db: Database
    clock: Clock
    requires_verified: bool = False
    takes_local: bool = False

    def ensure_fit(self, email: Email) -> None:
        """Refuse an address that no account is to get; who has one already keeps it.

        Raises:
            InvalidInput: it passes for another's, no mail can be addressed to it, or none from
                outside reaches it and the settings do not take such.
        """
        why_not = email.why_not_new()
        if email.is_local and not self.takes_local:
            why_not = LOCAL_DOMAIN
        if why_not:
            raise InvalidInput([{"pointer": "/body/email", "detail": why_not}])

    async def get(self, user_id: UUID) -> Record:
        """Return an account with its activity.

        Raises:
            UserNotFound: there is none with that id.
        """
        record = await queries.find_user(self.db, user_id)
        if record is None:
            raise UserNotFound
        return record

    async def find_credentials(self, email: Email) -> Record | None:
        """Return id, status and password hash of the account with that address.

        There is no hash, and so no password that matches, while `waits_for_email`: the address is
        to be proven first.
        """
        return await queries.find_credentials(self.db, email.normal, self.requires_verified)

    async def improve_hash(self, tx: Tx, user_id: UUID, old: str, new: str) -> bool:
        """Keep a better hash of the same password; False if the hash is another by now."""
        return await queries.update_password_hash(tx, user_id, old, new)

    async def has_admin(self) -> bool:
        """Tell whether any administrator exists."""
        return await queries.has_admin(self.db)

    async def add(
        self,
        tx: Tx,
        email: Email,
        password_hash: str | None,
        *,
        name: str | None = None,
        role: Role = Role.USER,
        status: Status = Status.ACTIVE,
        locale: Locale = Locale.ENGLISH,
        registered_itself: bool = False,
        is_verified: bool = False,
        must_change_password: bool = False,
    ) -> UUID:
        """Add an account and return its id.

        `registered_itself`: nobody but whoever typed the address says whose it is.
        `must_change_password` also marks an account that was made for somebody who has not chosen
        a password yet.

        Raises:
            EmailTaken: the address, in its normal form, has one.
        """
        now = self.clock.now()
        user_id = new_id(now)
        added = await queries.insert_user(
            tx,
            user_id=user_id,
            email=email.typed,
            email_normal=email.normal,
            name=name,
            role=role,
            status=status,
            password_hash=password_hash,
            locale=locale,
            is_verified=is_verified,
            registered_itself=registered_itself,
            must_change_password=must_change_password,
            now=now,
        )
        if not added:
            raise EmailTaken
        return user_id

    async def hold_admins(self, tx: Tx) -> None:
        """Have the say about who administers until the commit, before any account is held.

        Whoever holds two accounts takes it first: so no two can deadlock.
        """
        await queries.lock_admins(tx)

    async def hold(self, tx: Tx, user_id: UUID) -> Record:
        """Return an account and keep everyone else's hands off it until the commit.

        `hold_admins` comes first, so that no two changes of accounts can deadlock. Nobody can sign
        in meanwhile.

        Raises:
            UserNotFound: there is none with that id.
        """
        await self.hold_admins(tx)
        account = await queries.lock_user(tx, user_id)
        if account is None:
            raise UserNotFound
        return account

    async def begin_generation(self, tx: Tx, user_id: UUID) -> int:
        """Begin the next generation of an account's tokens and return it; 0 if it is gone.

        It is held until the commit: nobody can sign in meanwhile.
        """
        return await queries.raise_sub_gen(tx, user_id)

    async def change(self, tx: Tx, user_id: UUID, changes: Changes) -> Change:
        """Change an account and return what differs.

        Raises:
            UserNotFound: there is none with that id.
            EmailTaken: the new address has an account.
            LastAdmin: nobody would be left who can sign in and administer.
            UnprovenRole: the account would get a role, and nobody knows whose it is.
        """
        before = await self.hold(tx, user_id)
        _ensure_owner_is_known(before, changes.role)
        email = changes.email or Email(before["email"], before["email_normal"])
        name = changes.name if changes.clears_name or changes.name else before["name"]
        after: dict[str, Any] = {
            "role": str(changes.role or before["role"]),
            "status": str(changes.status or before["status"]),
            "name": name,
            "email": email.typed,
            "email_normal": email.normal,
        }
        try:
            changed = await queries.update_user(
                tx, user_id, self.requires_verified, **after, now=self.clock.now()
            )
        except asyncpg.UniqueViolationError:
            raise EmailTaken from None
        if not changed:
            raise LastAdmin
        await queries.notify_user_changed(tx, user_id)
        return _difference(before, after)

    async def delete(self, tx: Tx, user_id: UUID) -> Change:
        """Remove an account with all that hangs on it, and return what it was.

        Raises:
            UserNotFound: there is none with that id.
            LastAdmin: nobody would be left who can sign in and administer.
        """
        before = await self.hold(tx, user_id)
        if not await queries.delete_user(tx, user_id, self.requires_verified):
            raise LastAdmin
        await queries.notify_user_changed(tx, user_id)
        return Change(old={"role": before["role"], "status": before["status"]}, new={})


def _ensure_owner_is_known(account: Record, role: Role | None) -> None:
    """Refuse a higher role for an account that registered itself and has proven no address.

    Threat: a stranger signs up with somebody's address, and the administrator promotes that
    somebody.
    """
    if role and account["owner_is_unknown"] and not Role(account["role"]).includes(role):
        raise UnprovenRole


def _difference(before: Record, after: dict[str, Any]) -> Change:
    """Keep what differs; an address is masked and a name only marked, for erasure's sake."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for field in ("role", "status"):
        if before[field] != after[field]:
            old[field], new[field] = before[field], after[field]
    if before["email"] != after["email"]:
        old["email"], new["email"] = mask_email(before["email"]), mask_email(after["email"])
    if before["name"] != after["name"]:
        old["name"], new["name"] = NOT_KEPT, NOT_KEPT
    if before["email_normal"] == after["email_normal"]:
        return Change(old, new)
    moved_from = Email(before["email"], before["email_normal"])
    return Change(old, new, moved_from, before["is_verified"])
