"""Changes that administrators make to accounts, with their effects and audit events."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from pydantic import SecretStr

from keyfob.accounts import locks
from keyfob.accounts.changes import Change, Changes
from keyfob.accounts.email import Email
from keyfob.accounts.models import Account, NewAccount, Status
from keyfob.accounts.service import Accounts
from keyfob.administration import queries
from keyfob.administration.authority import Actor, Authority
from keyfob.administration.letters import Letters
from keyfob.administration.models import MOST_COUNTED, Part, Sort, UserFilter, UserPage
from keyfob.audit.events import Event
from keyfob.authority.models import Permission, Role
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
    """Lists and changes accounts. A new role or status takes effect at once, in every worker."""

    db: Database
    accounts: Accounts
    authority: Authority
    passwords: Passwords
    sessions: Sessions
    claims: SessionClaims
    erasure: Erasure
    letters: Letters
    sign_ups: WaitingSignUps
    clock: Clock
    online_within: timedelta

    async def list_page(
        self,
        wanted: UserFilter,
        *,
        sort: Sort = Sort.CREATED,
        after: Place | None = None,
        before: Place | None = None,
        skip: int = 0,
        limit: int,
    ) -> UserPage:
        """Return up to `limit` users after a place in the order, and how many match.

        With `before`, those that come last before that place. The place of a row is its `place`
        and its id, both as text (`Cursors` signs them for links).
        """
        part = Part(sort=sort, after=after, before=before, skip=skip, limit=limit)
        online_since = self.clock.now() - self.online_within
        if wanted.is_tallied:
            rows = await queries.list_users(self.db, wanted, part, online_since)
            # If there are no more rows, reading has counted them.
            if part.is_first and len(rows) < limit:
                return UserPage(rows, len(rows), is_capped=False)
            total = await queries.read_tally(self.db, wanted.role, wanted.status)
            return UserPage(rows, total, is_capped=False)
        # A search finds few as a rule, and looking for them costs more than sorting them.
        counted = 1 if wanted.search else await queries.count_users(self.db, wanted, online_since)
        if counted == 0:
            return UserPage([], 0, is_capped=False)
        if counted <= MOST_COUNTED:
            rows, total = await queries.list_few_users(self.db, wanted, part, online_since)
            if total <= MOST_COUNTED:
                return UserPage(rows, total, is_capped=False)
        rows = await queries.list_users(self.db, wanted, part, online_since)
        return UserPage(rows, MOST_COUNTED, is_capped=True)

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
        """Add an account and return its id; without a password, its user is invited to choose one.

        `must_change_password`: the user has to choose another at the first sign-in.

        Raises:
            InvalidInput: see `Accounts.ensure_fit`.
            WeakPassword: the password is refused, with the reason.
            EmailTaken: another account has the address.
            Overloaded: too many passwords wait to be hashed.
            Unauthenticated, Forbidden: see `Authority.ensure`; the same holds below.
            InsufficientAuthentication: the account has more rights than `user`, and the sign-in is
                not recent.
        """
        self.accounts.ensure_fit(email)
        password_hash = None
        if password is not None:
            await self.passwords.ensure_acceptable(password, email.normal, name)
            password_hash = await self.passwords.hash(password, actor.share)
        async with self.db.begin() as tx:
            powers = await self.authority.ensure(tx, actor, Permission.USERS_WRITE)
            powers.ensure_cover((), role)
            await self.authority.ensure_recent_above_user(tx, actor, None, role)
            replaced = await self.sign_ups.give_way(tx, email)
            account = NewAccount(
                email=email,
                password_hash=password_hash,
                name=name,
                role=role,
                status=status,
                address_unvouched=password_hash is not None and not powers.vouches,
                # Whoever has the machine vouches for the address: the first administrator must be
                # able to sign in, though no mail can be sent yet.
                is_verified=actor.user_id is None and password_hash is not None,
                must_change_password=must_change_password or password_hash is None,
            )
            user_id = await self.accounts.add_account(tx, account)
            await self._write_to_new(tx, actor, user_id, invites=password_hash is None)
            new = {"role": role, "status": status, "email": mask_email(email.normal)}
            new |= replaced_sign_up(replaced)
            await self.authority.record(tx, actor, Event.USER_CREATED, user_id, {}, new)
        return user_id

    async def _write_to_new(self, tx: Tx, actor: Actor, user_id: UUID, *, invites: bool) -> None:
        account = await locks.lock(tx, user_id)
        if account is None or not account.is_active:
            return
        if invites:
            await self.letters.invite(tx, account)
        elif actor.user_id is not None:
            await self.letters.ask_for_proof(tx, account)

    async def change(
        self,
        actor: Actor,
        user_id: UUID,
        changes: Changes,
        *,
        check: Callable[[Tx], Awaitable[None]] | None = None,
    ) -> UUID | None:
        """Change an account; a new role reaches its tokens at once.

        A block or a new address ends its sessions. Returns the id of the audit event; None if
        nothing differs. `check` is called once the account is locked, and may refuse.

        Raises:
            UserNotFound, EmailTaken, LastAdmin, UnprovenRole: see these classes.
            InvalidInput: see `Accounts.ensure_fit`.
            InsufficientAuthentication: more than the name changes, the account has or gets more
                rights than `user`, and the sign-in is not recent.
        """
        async with self.db.begin() as tx:
            before, powers = await self.authority.lock(tx, actor, user_id, Permission.USERS_WRITE)
            powers.ensure_cover((), changes.role or Role.USER)
            if check:
                await check(tx)
            if changes.concern_access(before):
                await self.authority.ensure_recent_above_user(tx, actor, before, changes.role)
            replaced = None
            if changes.email and changes.email.normal != before.email.normal:
                self.accounts.ensure_fit(changes.email)
                replaced = await self.sign_ups.give_way(tx, changes.email, but=user_id)
            change = await self.accounts.change_account(
                tx, before, changes, is_vouched=powers.vouches
            )
            await self._carry_out(tx, before, change)
            if not change.new:
                return None
            new = change.new | replaced_sign_up(replaced)
            return await self.authority.record(
                tx, actor, Event.USER_CHANGED, user_id, change.old, new
            )

    async def _carry_out(self, tx: Tx, before: Account, change: Change) -> None:
        user_id = before.id
        if "role" in change.new:
            await self.claims.change_roles(tx, user_id, Role(change.new["role"]))
        moves = change.account.email.normal != before.email.normal
        if moves:
            await self.letters.follow_move(tx, before, change.account)
        if change.new.get("status") == Status.BLOCKED:
            await self.sessions.end_all(tx, user_id, EndReason.BLOCKED)
            await self.letters.kill_links(tx, user_id)
        elif moves:
            # Threat: the owner of the old address is signed in to an account whose new address
            # somebody else will verify.
            await self.sessions.end_all(tx, user_id, EndReason.ADDRESS_MOVED)

    async def delete(self, actor: Actor, user_id: UUID) -> None:
        """Delete an account and its personal data, and end its sessions.

        If there is much data, it is removed first, without a lock on the account, after a check
        that the actor may delete it. If the actor loses that right meanwhile, `Erasure.clear` tells
        what is lost.

        Raises:
            UserNotFound, LastAdmin: see these classes.
            InsufficientAuthentication: the account has more rights than `user`, and the sign-in is
                not recent.
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
            await self.authority.record(tx, actor, Event.USER_DELETED, user_id, was, {})

    async def _lock_to_delete(self, tx: Tx, actor: Actor, user_id: UUID) -> Account:
        account, _ = await self.authority.lock(tx, actor, user_id, Permission.USERS_WRITE)
        await self.authority.ensure_recent_above_user(tx, actor, account)
        await self.accounts.ensure_may_go(tx, account)
        return account

    async def log_out_everywhere(self, actor: Actor, user_id: UUID) -> None:
        """End all sessions of a user.

        Threat: a thief of an administrator's old session would sign the other administrators out as
        soon as they sign in, so that none of them can end it. An administrator's own sessions need
        no recent sign-in: the calling one ends with them.

        Raises:
            UserNotFound: there is none with that id.
            InsufficientAuthentication: it is another user with more rights than `user`, and the
                sign-in is not recent.
        """
        async with self.db.begin() as tx:
            account, _ = await self.authority.lock(tx, actor, user_id, Permission.SESSIONS_END)
            if user_id != actor.user_id:
                await self.authority.ensure_recent_above_user(tx, actor, account)
            ended = await self.sessions.end_all(tx, user_id, EndReason.ADMIN)
            await self.authority.record(
                tx, actor, Event.USER_LOGGED_OUT, user_id, {}, {"sessions": ended}
            )
