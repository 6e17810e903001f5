"""What administrators do to accounts, each with its effect on sessions and its audit event."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from keyfob.accounts import locks
from keyfob.accounts.changes import Changes
from keyfob.accounts.email import Email
from keyfob.accounts.models import Account, NewAccount, Status
from keyfob.accounts.service import Accounts
from keyfob.administration import queries
from keyfob.administration.authority import Actor, Authority
from keyfob.administration.letters import Letters
from keyfob.administration.models import ListedUser, Sort, UserFilter
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import Role
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.pagination import Place
from keyfob.core.telemetry import mask_email
from keyfob.own_account.erasure import Erasure
from keyfob.passwords.service import Passwords
from keyfob.proof.sign_ups import WaitingSignUps, replaced_sign_up
from keyfob.sessions.claims import SessionClaims
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions


@dataclass(frozen=True, kw_only=True)
class Administration:
    """Lists and changes accounts. A change of role or status acts at once, everywhere."""

    db: Database
    accounts: Accounts
    authority: Authority
    passwords: Passwords
    sessions: Sessions
    claims: SessionClaims
    erasure: Erasure
    letters: Letters
    sign_ups: WaitingSignUps
    audit: Audit
    clock: Clock
    online_within: timedelta

    async def list_page(
        self, wanted: UserFilter, sort: Sort, *, after: Place | None, skip: int, limit: int
    ) -> tuple[list[ListedUser], int]:
        """Return one page and the count of all; one more row than `limit` if there is a next."""
        online_since = self.clock.now() - self.online_within
        rows = await queries.list_users(
            self.db,
            wanted,
            sort,
            online_since=online_since,
            after=after,
            skip=skip,
            limit=limit + 1,
        )
        # What fits on one page has been counted by reading it: most searches find few.
        if after is None and skip == 0 and len(rows) <= limit:
            return rows, len(rows)
        return rows, await queries.count_users(self.db, wanted, online_since)

    async def create(
        self,
        actor: Actor,
        email: Email,
        password: SecretStr | None,
        *,
        role: Role = Role.USER,
        status: Status = Status.ACTIVE,
        name: str | None = None,
        must_change_password: bool = False,
    ) -> UUID:
        """Add an account and return its id; without a password its user is invited to choose one.

        `must_change_password`: the first sign-in has to choose another.

        Raises:
            InvalidInput: as `Accounts.ensure_fit` says.
            WeakPassword: with the reason.
            EmailTaken: the address has an account.
            Overloaded: too many passwords wait to be hashed.
            Unauthenticated, Forbidden: as `Authority.ensure` says, here and below.
            InsufficientAuthentication: the role is above `user`, and the sign-in is old.
        """
        self.accounts.ensure_fit(email)
        password_hash = None
        if password is not None:
            await self.passwords.ensure_acceptable(password, email.normal, name)
            password_hash = await self.passwords.hash(password, actor.share)
        async with self.db.begin() as tx:
            await self.authority.ensure(tx, actor)
            await self.authority.ensure_recent_above_user(tx, actor, role)
            replaced = await self.sign_ups.give_way(tx, email)
            account = NewAccount(
                email=email,
                password_hash=password_hash,
                name=name,
                role=role,
                status=status,
                # Whoever has the machine vouches for the address: the first administrator must get
                # in, though nobody can have a mail yet.
                is_verified=actor.user_id is None and password_hash is not None,
                must_change_password=must_change_password or password_hash is None,
            )
            user_id = await self.accounts.add_account(tx, account)
            await self._write_to_new(tx, actor, user_id, invites=password_hash is None)
            new = {"role": role, "status": status, "email": mask_email(email.normal)}
            new |= replaced_sign_up(replaced)
            await self._record(tx, actor, Event.USER_CREATED, user_id, {}, new)
        return user_id

    async def _write_to_new(self, tx: Tx, actor: Actor, user_id: UUID, *, invites: bool) -> None:
        account = await locks.lock(tx, user_id)
        if account is None or not account.is_active:
            return
        if invites:
            await self.letters.invite(tx, account)
        elif actor.user_id is not None:
            await self.letters.ask_for_proof(tx, account)

    async def change(self, actor: Actor, user_id: UUID, changes: Changes) -> None:
        """Change an account; a new role reaches its tokens at once.

        A block ends its sessions, and so does another address.

        Raises:
            UserNotFound, EmailTaken, LastAdmin, UnprovenRole: as they say.
            InvalidInput: as `Accounts.ensure_fit` says.
            InsufficientAuthentication: more than the name of an account changes that is or becomes
                more than `user`, and the sign-in is old.
        """
        async with self.db.begin() as tx:
            before = await self.authority.lock(tx, actor, user_id)
            if changes.concern_access(before):
                await self.authority.ensure_recent_above_user(tx, actor, before.role, changes.role)
            replaced = None
            if changes.email and changes.email.normal != before.email.normal:
                self.accounts.ensure_fit(changes.email)
                replaced = await self.sign_ups.give_way(tx, changes.email, but=user_id)
            change = await self.accounts.change_account(tx, before, changes)
            if "role" in change.new:
                await self.claims.change_role(tx, user_id, Role(change.new["role"]))
            moves = change.account.email.normal != before.email.normal
            if moves:
                await self.letters.follow_move(tx, before, change.account)
            if change.new.get("status") == Status.BLOCKED:
                await self.sessions.end_all(tx, user_id, EndReason.BLOCKED)
                await self.letters.kill_links(tx, user_id)
            elif moves:
                # Threat: whose address it was until now is signed in where another's is proven.
                await self.sessions.end_all(tx, user_id, EndReason.ADDRESS_MOVED)
            if change.new:
                new = change.new | replaced_sign_up(replaced)
                await self._record(tx, actor, Event.USER_CHANGED, user_id, change.old, new)

    async def delete(self, actor: Actor, user_id: UUID) -> None:
        """Remove an account: its personal data is gone, its sessions are ended.

        What it piled up, if that is much, goes first, with no account locked, once it is sure that
        the actor may delete it; where the actor may no longer afterwards, `Erasure.clear` says what
        is lost.

        Raises:
            UserNotFound, LastAdmin: as they say.
            InsufficientAuthentication: the account is more than `user`, and the sign-in is old.
        """
        async with self.db.begin() as tx:
            await self._lock_to_delete(tx, actor, user_id)
            begun = await self.erasure.begin(
                tx, user_id, actor_id=actor.user_id, source=actor.source
            )
        cleared = await self.erasure.clear(user_id) if begun else 0
        async with self.db.begin() as tx:
            account = await self._lock_to_delete(tx, actor, user_id)
            await self.erasure.erase(tx, account, cleared)
            was = {"role": account.role, "status": account.status}
            await self._record(tx, actor, Event.USER_DELETED, user_id, was, {})

    async def _lock_to_delete(self, tx: Tx, actor: Actor, user_id: UUID) -> Account:
        account = await self.authority.lock(tx, actor, user_id)
        await self.authority.ensure_recent_above_user(tx, actor, account.role)
        await self.accounts.ensure_may_go(tx, account)
        return account

    async def log_out_everywhere(self, actor: Actor, user_id: UUID) -> None:
        """End all of a user's sessions.

        Threat: whoever stole an old session of an administrator signs the others out as soon as
        they sign in, so that none of them can end it. One's own end with the one that asks.

        Raises:
            UserNotFound: there is none with that id.
            InsufficientAuthentication: another's account is more than `user`, and the sign-in is
                old.
        """
        async with self.db.begin() as tx:
            account = await self.authority.lock(tx, actor, user_id)
            if user_id != actor.user_id:
                await self.authority.ensure_recent_above_user(tx, actor, account.role)
            ended = await self.sessions.end_all(tx, user_id, EndReason.ADMIN)
            await self._record(tx, actor, Event.USER_LOGGED_OUT, user_id, {}, {"sessions": ended})

    async def _record(
        self,
        tx: Tx,
        actor: Actor,
        action: Event,
        user_id: UUID,
        old: dict[str, Any],
        new: dict[str, Any],
    ) -> None:
        await self.audit.record(
            tx,
            action=action,
            actor_id=actor.user_id,
            target_id=user_id,
            old=old,
            new=new,
            source=actor.source,
        )
