"""API keys: made, renamed and revoked by their owner, and believed while they are valid."""

from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from keyfob.accounts import locks
from keyfob.api_keys import queries
from keyfob.api_keys.errors import KeyNotFound, TooManyKeys
from keyfob.api_keys.models import LiveKey, StoredKey
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import ApiKey, Held, Permission, Role, Subject, User
from keyfob.authority.roles import Roles
from keyfob.clients.errors import UnknownScope
from keyfob.clients.resources import Resources
from keyfob.core.addresses import UNKNOWN, address_of_asker
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.machine_secrets import MachineSecrets
from keyfob.core.problems import (
    DatabaseUnavailable,
    FactorRequired,
    Forbidden,
    InvalidInput,
    Unauthenticated,
)
from keyfob.core.secrets import new_id
from keyfob.devices.device import source_in_words
from keyfob.devices.source import Source
from keyfob.limits.rates import RateLimits
from keyfob.mail import mails
from keyfob.mail.service import Mail
from keyfob.mfa.stepup import FactorStepUp
from keyfob.sessions.models import Ending, EndReason
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.standing import Standing

log = structlog.get_logger("keyfob.api_keys")

_MOST_KEYS = 50
# Threat: one who makes and revokes keys all day fills the table, and every export.
_MOST_ENDED = 200
_COUNTED_AS = "me"  # keys that are not valid, with other requests of strangers there
_REMEMBERED = timedelta(seconds=10)
_MOST_REMEMBERED = 10_000
_RETENTION = timedelta(days=30)
_OVER_OTHERS = frozenset(Permission) - {Permission.ACCOUNT_READ}

# A new owner of the account, or a thief in it: nothing that another has made continues.
_ENDING = frozenset(
    {
        EndReason.BLOCKED,
        EndReason.RECOVERED,
        EndReason.DELETED,
        EndReason.ADDRESS_PROVEN,
        EndReason.ADDRESS_MOVED,
        EndReason.ADMIN,
        EndReason.FACTORS_RESET,
        EndReason.UNVERIFIED,
    }
)


@dataclass(frozen=True)
class _Memory:
    live: LiveKey
    read_at: datetime


@dataclass(kw_only=True)
class ApiKeys:
    """Believes API keys, and revokes them.

    A key is remembered for seconds, by its digest. Whatever revokes it, or changes its user's roles
    or status, is a revocation of which every worker hears at once, and then the key is read anew.

    A key that this worker has not believed before is looked up only while the client's address may
    ask for more, and counts there if it is not valid. Threat: keys that nobody made, whose checksum
    is right, cost a look-up each. Strangers who use the address up do not stop keys in use.

    Where a role requires a second factor (`factor_roles`), keys of users who have none are refused,
    as their sessions are.
    """

    db: Database
    clock: Clock
    secrets: MachineSecrets
    revocations: Revocations
    standing: Standing
    roles: Roles
    rates: RateLimits
    factor_roles: Collection[str] = ()
    _known: OrderedDict[bytes, _Memory] = field(default_factory=OrderedDict)
    _used: dict[UUID, tuple[bytes, datetime]] = field(default_factory=dict)

    async def authenticate(self, text: str) -> ApiKey:
        """Return the subject of a key, as `authority.models.KeyAuthenticator`.

        Raises:
            Unauthenticated: it is not ours, has ended or was revoked, or its user is blocked.
            FactorRequired: the role of its user requires a second factor, and there is none.
            TooManyRequests: too many that are not valid came from the client's address.
            Unavailable: they cannot be counted.
        """
        digests = self.secrets.digests(text)
        is_new = bool(digests) and digests[0] not in self._known
        address = address_of_asker() or UNKNOWN
        if is_new:
            self.rates.ensure_space(_COUNTED_AS, address)
        live = await self.find(text)
        if is_new and (live is None or live.lacks_factor):
            await self.rates.hit(_COUNTED_AS, address)
        if live is None:
            log.info("api_key_refused")
            raise Unauthenticated
        if live.lacks_factor:
            raise FactorRequired
        key = live.key
        return ApiKey(key.id, key.user_id, key.scope, live.role, live.roles, live.sub_gen)

    async def find(self, text: str) -> LiveKey | None:
        """Return a valid key with what its user is now, and count that it was used.

        Whoever believes it looks at `lacks_factor`, too.
        """
        digests = self.secrets.digests(text)
        if not digests:
            return None
        memory = self._known.get(digests[0])
        if memory is None or not self._holds(memory):
            memory = await self._read(digests)
        if memory is None:
            return None
        self._used[memory.live.key.id] = (digests[0], self.clock.now())
        return memory.live

    def scope_of(self, live: LiveKey) -> tuple[str, ...]:
        """Return the part of a key's scope that its user holds now.

        Threat: what a role gave its user, the user's keys would go on giving for up to a year.
        """
        return self.roles.part_held(live.key.scope, live.role, live.roles)

    def _holds(self, memory: _Memory) -> bool:
        now, live = self.clock.now(), memory.live
        rests_on = ((live.key.id, 0), (live.key.user_id, live.sub_gen))
        return (
            memory.read_at + _REMEMBERED > now
            and live.ends_at > now
            and not self.revocations.kill_any(rests_on)
        )

    async def _read(self, digests: list[bytes]) -> _Memory | None:
        now = self.clock.now()
        live = await queries.find_live(self.db, digests, now, self.factor_roles)
        # A revocation that came while this was read is in memory, and not perhaps in what was read.
        if live is None or not self._holds(memory := _Memory(live, now)):
            self._known.pop(digests[0], None)
            return None
        if live.lacks_factor:  # until one is added, of which nobody hears
            return memory
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.popitem(last=False)
        self._known[digests[0]] = memory
        return memory

    async def permissions_of(self, tx: Tx, subject: Subject) -> Held:
        """Return what a key permits now, as `authority.models.ProgramStanding`.

        Each permission ends with the key. Threat: the finder of a key that ends makes a client, or
        gives a role, that does not.

        Raises:
            Unauthenticated: it was revoked or has ended, or its user is gone or blocked.
        """
        if not isinstance(subject, ApiKey):
            raise Unauthenticated
        account = await locks.lock(tx, subject.user_id)
        if account is None or not account.is_active:
            raise Unauthenticated
        shared = await queries.share_scope(tx, subject.key_id, self.clock.now())
        if shared is None:
            raise Unauthenticated
        scope, ends_at = shared
        held = await self.standing.permissions_of(tx, account)
        return {name: min(held[name] or ends_at, ends_at) for name in scope if name in held}

    async def list_live(self, user_id: UUID) -> list[StoredKey]:
        """Return the valid keys of a user, the newest first."""
        return await queries.list_live(self.db, user_id, self.clock.now())

    async def revoke(self, tx: Tx, user_id: UUID, key_id: UUID) -> bool:
        """Revoke a key of a user, everywhere at once; False if it was not valid."""
        if not await queries.revoke_key(tx, key_id, user_id, self.clock.now()):
            return False
        await self.revocations.revoke_key(tx, [key_id])
        return True

    async def end_with_sessions(self, tx: Tx, ending: Ending) -> None:
        """Revoke all keys of a user where all sessions end for such a reason."""
        if ending.reason not in _ENDING:
            return
        await self._revoke_all(tx, ending.user_id, ending.reason)

    async def end_made_without_factor(self, tx: Tx, user_id: UUID) -> int:
        """Revoke keys that administer, for a user who adds the first factor; return their number.

        Threat: somebody who signed in with a stolen password made one. Sessions from before cannot
        administer any more, either.
        """
        return await self._revoke_all(tx, user_id, "first_factor", _OVER_OTHERS)

    async def _revoke_all(
        self, tx: Tx, user_id: UUID, reason: str, within: Collection[str] | None = None
    ) -> int:
        revoked = await queries.revoke_all(tx, user_id, self.clock.now(), within)
        if revoked:
            await self.revocations.revoke_key(tx, revoked)
            told = {"user_id": str(user_id), "keys": len(revoked), "reason": reason}
            tx.after_commit(partial(log.info, "api_keys_revoked", **told))
        return len(revoked)

    async def write_uses(self) -> None:
        """Write the last uses of keys: in one statement for all of some seconds.

        Raises:
            DatabaseUnavailable: nothing is lost, the next call writes them.
        """
        if self._used:
            used, self._used = self._used, {}
            try:
                await queries.write_uses(self.db, [(of, *use) for of, use in used.items()])
            except DatabaseUnavailable:
                self._used = {**used, **self._used}
                raise

    async def clean_up(self) -> None:
        """Delete keys that ended a month ago."""
        before = self.clock.now() - _RETENTION
        await in_batches(partial(queries.delete_old, self.db, before))

    async def count_by_place(self) -> Counter[int | None]:
        """Count the valid keys by the place of the secret key that their digest was made with."""
        return self.secrets.count_by_place(
            await queries.count_by_digest_key(self.db, self.clock.now())
        )

    async def list_owners_of_old(self, limit: int) -> list[str]:
        """Return addresses of users with a valid key whose digest is by another than the first."""
        key_id = self.secrets.key_id
        return await queries.list_owners_of_others(self.db, key_id, self.clock.now(), limit)


@dataclass(frozen=True, kw_only=True)
class OwnKeys:
    """A user's own API keys: made with a recent sign-in, renamed and revoked."""

    db: Database
    keys: ApiKeys
    resources: Resources
    standing: Standing
    step_up: FactorStepUp
    audit: Audit
    mail: Mail
    clock: Clock
    longest: timedelta

    async def create(
        self,
        caller: User,
        *,
        name: str,
        scope: list[str],
        expires_at: datetime | None,
        source: Source,
    ) -> tuple[StoredKey, str]:
        """Make a key and return it: its text is shown this once. A mail tells the owner.

        Raises:
            InvalidInput: it would end in the past, or later than a key may.
            UnknownScope: no resource offers it.
            Forbidden: the scope has a part that the caller does not hold. An administrator holds
                everything; what others may do at other APIs, further roles say.
            TooManyKeys: there are fifty already.
            InsufficientAuthentication, Unauthenticated: see `FactorStepUp.ensure_standing`.
        """
        now = self.clock.now()
        ends_at = now + self.longest if expires_at is None else expires_at
        if not now < ends_at <= now + self.longest:
            days = self.longest.days
            detail = f"should be in the future, and at most {days} days from now"
            raise InvalidInput([{"pointer": "/expires_at", "detail": detail}])
        made = self.keys.secrets.make()
        key = StoredKey(new_id(now), caller.user_id, name, tuple(scope), now, ends_at, None)
        async with self.db.begin() as tx:
            account = await self.step_up.ensure_standing(tx, caller)
            held = (await self.standing.permissions_of(tx, account)).keys()
            if unknown := set(scope) - self.resources.scopes - held:
                raise UnknownScope(extra={"unknown": sorted(unknown)})
            # Threat: whoever can sign up would give themselves any scope of any API.
            if account.role is not Role.ADMIN and not held >= frozenset(scope):
                raise Forbidden
            if len(await queries.list_live(tx, caller.user_id, now)) >= _MOST_KEYS:
                raise TooManyKeys
            await queries.insert_key(tx, key, made.digest)
            await queries.delete_older(tx, caller.user_id, now, _MOST_ENDED)
            # Threat: a stranger who registered the address writes to its owner.
            told = name if account.is_verified else None
            notice = mails.ApiKeyCreated(key=told, **source_in_words(source))
            await self.mail.tell(tx, caller.user_id, notice)
            new = {"id": str(key.id), "scope": scope, "expires_at": ends_at.isoformat()}
            await self._record(tx, Event.API_KEY_CREATED, caller, source, new)
        return key, made.text

    async def rename(self, caller: User, key_id: UUID, name: str, source: Source) -> StoredKey:
        """Rename a key, and return it.

        Raises:
            KeyNotFound: the caller has none with that id.
            Unauthenticated: see `Standing.ensure`.
        """
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, caller)
            renamed = await queries.rename_key(tx, key_id, caller.user_id, name, self.clock.now())
            if renamed is None:
                raise KeyNotFound
            await self._record(tx, Event.API_KEY_RENAMED, caller, source, {"id": str(key_id)})
        return renamed

    async def revoke(self, caller: User, key_id: UUID, source: Source) -> None:
        """Revoke a key, everywhere at once.

        Raises:
            KeyNotFound: the caller has none with that id.
            Unauthenticated: see `Standing.ensure`.
        """
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, caller)
            if not await self.keys.revoke(tx, caller.user_id, key_id):
                raise KeyNotFound
            await self._record(tx, Event.API_KEY_REVOKED, caller, source, {"id": str(key_id)})

    async def _record(
        self, tx: Tx, action: Event, caller: User, source: Source, new: dict[str, Any]
    ) -> None:
        await self.audit.record(
            tx,
            action=action,
            actor_id=caller.user_id,
            target_id=caller.user_id,
            new=new,
            source=source,
        )
