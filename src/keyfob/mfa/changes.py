"""Changes of a user's factors, each with its audit event and a mail to the owner."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from keyfob.accounts.errors import EmailUnverified
from keyfob.accounts.models import Account
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import User
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.devices.device import source_in_words
from keyfob.devices.source import Source
from keyfob.mail import mails
from keyfob.mail.service import Mail
from keyfob.mfa import queries, recovery_codes
from keyfob.mfa.errors import FactorNotFound, LastFactor, NoFactor, TooManyFactors
from keyfob.mfa.models import AMR_CODE, AMR_PASSKEY, Factor, FactorType
from keyfob.mfa.stepup import FactorStepUp
from keyfob.sessions.claims import SessionClaims

_MOST_FACTORS = 10
_AMR = {FactorType.TOTP: AMR_CODE, FactorType.PASSKEY: AMR_PASSKEY}


class NextFactor(NamedTuple):
    """Permission to add a factor: the address to show with it, and whether it is the first."""

    email: str
    is_first: bool


@dataclass(frozen=True, kw_only=True)
class FactorChanges:
    """Adds, renames and removes factors. `roles` are those that require one.

    `on_first` end what a user made without a factor, such as API keys, and return its number.
    """

    db: Database
    claims: SessionClaims
    audit: Audit
    mail: Mail
    clock: Clock
    step_up: FactorStepUp
    roles: Collection[str]
    on_first: list[Callable[[Tx, UUID], Awaitable[int]]] = field(default_factory=list)

    async def ensure_verified(self, tx: Tx, caller: User) -> Account:
        """Check as `FactorStepUp.ensure_standing`, and that the address is verified.

        Raises:
            EmailUnverified: it is not clear whose the factor would be.
        """
        account = await self.step_up.ensure_standing(tx, caller)
        if not account.is_verified:
            raise EmailUnverified
        return account

    async def prepare_to_add(self, tx: Tx, caller: User) -> NextFactor:
        """Lock the caller's factors until the commit, and check that one more is allowed.

        Call it first in the transaction that adds a factor.

        Raises:
            InsufficientAuthentication, Unauthenticated: see `FactorStepUp.ensure_standing`; the
                same holds below.
            TooManyFactors: there are ten already.
            EmailUnverified: see `ensure_verified`.
        """
        account = await self.ensure_verified(tx, caller)
        count = await queries.count_factors(tx, caller.user_id)
        if count >= _MOST_FACTORS:
            raise TooManyFactors
        return NextFactor(account.email.normal, is_first=count == 0)

    async def admit(
        self,
        tx: Tx,
        caller: User,
        factor: Factor,
        source: Source,
        *,
        is_first: bool,
    ) -> list[str]:
        """Finish adding a confirmed factor; return ten recovery codes if it is the first.

        The session has proven the factor by adding it, so its next refresh says so.

        Args:
            tx: the transaction that confirmed it, begun by `prepare_to_add`.
            caller: the user who added it.
            factor: the confirmed factor.
            source: the source of the request.
            is_first: the result of `prepare_to_add`.
        """
        codes = await self._replace_codes(tx, caller.user_id) if is_first else []
        amr = tuple(dict.fromkeys((*caller.amr, *_AMR[factor.type])))
        await self.claims.strengthen(tx, caller, amr)
        ended = sum([await end(tx, caller.user_id) for end in self.on_first]) if is_first else 0
        where = source_in_words(source)
        notice = mails.FactorAdded(factor=factor.name, ends_keys=ended > 0, **where)
        await self.mail.tell(tx, caller.user_id, notice)
        new: dict[str, Any] = {"id": str(factor.id), "type": factor.type}
        new |= {"api_keys_ended": ended} if ended else {}
        await self._record(tx, Event.FACTOR_ADDED, caller, source, new=new)
        return codes

    async def rename(self, caller: User, factor_id: UUID, name: str, source: Source) -> Factor:
        """Rename one of the caller's factors, and return it.

        Raises:
            FactorNotFound: the caller has no such factor.
        """
        async with self.db.begin() as tx:
            await self.step_up.ensure_standing(tx, caller)
            renamed = await queries.rename_factor(tx, factor_id, caller.user_id, name)
            if renamed is None:
                raise FactorNotFound
            new = {"id": str(factor_id), "type": renamed.type}
            await self._record(tx, Event.FACTOR_RENAMED, caller, source, new=new)
        return renamed

    async def remove(self, caller: User, factor_id: UUID, source: Source) -> None:
        """Remove one of the caller's factors; with the last one, the recovery codes go as well.

        It is not recorded by which factor a session was strengthened, so all other sessions have to
        present one of the remaining factors. After the last one, no session claims a factor any
        more.

        Raises:
            FactorNotFound: the caller has no such factor.
            LastFactor: the caller's role requires a factor.
        """
        async with self.db.begin() as tx:
            # Locked first: of two requests that remove the last two factors, the second sees the
            # first.
            account = await self.step_up.ensure_standing(tx, caller)
            removed = await queries.delete_factor(tx, factor_id, caller.user_id)
            if removed is None:
                raise FactorNotFound
            is_last = await queries.count_factors(tx, caller.user_id) == 0
            if is_last:
                if account.role in self.roles:
                    raise LastFactor
                await queries.delete_codes(tx, caller.user_id)
            await self.claims.forget_factor(
                tx, caller.user_id, but=None if is_last else caller.session_id
            )
            notice = mails.FactorRemoved(factor=removed.name, **source_in_words(source))
            await self.mail.tell(tx, caller.user_id, notice)
            old = {"id": str(factor_id), "type": removed.type}
            await self._record(tx, Event.FACTOR_REMOVED, caller, source, old=old)

    async def renew_recovery_codes(self, caller: User, source: Source) -> list[str]:
        """Return ten new recovery codes; the old ones become invalid.

        It is not recorded which sessions used old codes, so all others have to present a factor,
        as in `remove`.

        Raises:
            NoFactor: there is no factor that codes could replace.
            EmailUnverified: see `prepare_to_add`.
        """
        async with self.db.begin() as tx:
            await self.ensure_verified(tx, caller)
            if await queries.count_factors(tx, caller.user_id) == 0:
                raise NoFactor
            codes = await self._replace_codes(tx, caller.user_id)
            await self.claims.forget_factor(tx, caller.user_id, but=caller.session_id)
            notice = mails.RecoveryCodesRenewed(**source_in_words(source))
            await self.mail.tell(tx, caller.user_id, notice)
            await self._record(tx, Event.RECOVERY_CODES_RENEWED, caller, source)
        return codes

    async def _replace_codes(self, tx: Tx, user_id: UUID) -> list[str]:
        codes = recovery_codes.new_codes()
        hashes = [recovery_codes.digest(code) for code in codes]
        await queries.replace_codes(tx, user_id, hashes, self.clock.now())
        return codes

    async def _record(
        self,
        tx: Tx,
        action: Event,
        caller: User,
        source: Source,
        *,
        old: dict[str, Any] | None = None,
        new: dict[str, Any] | None = None,
    ) -> None:
        await self.audit.record(
            tx,
            action=action,
            actor_id=caller.user_id,
            target_id=caller.user_id,
            old=old,
            new=new,
            source=source,
        )
