"""Adding an authenticator app: its secret is shown, and a code confirms it."""

from base64 import b32encode
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from keyfob.authority.models import User
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.qr import draw_qr
from keyfob.core.secrets import new_id
from keyfob.devices.source import Source
from keyfob.limits.service import FactorThrottle
from keyfob.mfa import queries, totp
from keyfob.mfa.changes import FactorChanges
from keyfob.mfa.errors import FactorNotFound, InvalidFactor
from keyfob.mfa.models import BegunTotp
from keyfob.mfa.service import Factors

_CONFIRM_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class TotpEnrolment:
    """Begins and confirms authenticators. `issuer` is the name that apps show with the account."""

    db: Database
    factors: Factors
    changes: FactorChanges
    throttle: FactorThrottle
    clock: Clock
    issuer: str

    async def begin(self, caller: User, name: str) -> BegunTotp:
        """Create a secret for the caller's app; replace one that this session began before.

        Raises:
            InsufficientAuthentication, TooManyFactors, EmailUnverified: see
                `FactorChanges.prepare_to_add`.
        """
        now = self.clock.now()
        factor_id, secret = new_id(now), totp.new_secret()
        async with self.db.begin() as tx:
            next_factor = await self.changes.prepare_to_add(tx, caller)
            sealed = self.factors.seal(secret, factor_id)
            await queries.begin_totp(tx, factor_id, caller, name, sealed, now)
        return await self._shown(factor_id, secret, next_factor.email)

    async def show_again(self, caller: User, factor_id: UUID, email: str) -> BegunTotp:
        """Return an authenticator that this session has begun, to try another code.

        Raises:
            FactorNotFound: see `confirm`.
        """
        since = self.clock.now() - _CONFIRM_WITHIN
        begun = await queries.find_begun_totp(self.db, factor_id, caller, since)
        secret = self.factors.open(begun.secret, factor_id) if begun else None
        if secret is None:
            raise FactorNotFound
        return await self._shown(factor_id, secret, email)

    async def _shown(self, factor_id: UUID, secret: bytes, email: str) -> BegunTotp:
        uri = totp.provisioning_uri(secret, self.issuer, email)
        return BegunTotp(
            id=factor_id, secret=b32encode(secret).decode(), uri=uri, qr_svg=await draw_qr(uri)
        )

    async def confirm(self, caller: User, factor_id: UUID, code: str, source: Source) -> list[str]:
        """Turn a begun authenticator into a factor; return ten recovery codes if it is the first.

        Raises:
            FactorNotFound: this session has begun no such authenticator in the last ten minutes.
            InvalidFactor: the code is not a current one.
            TooManyAttempts: too many wrong codes.
            InsufficientAuthentication, TooManyFactors, EmailUnverified: see
                `FactorChanges.prepare_to_add`.
        """
        now = self.clock.now()
        begun = await queries.find_begun_totp(self.db, factor_id, caller, now - _CONFIRM_WITHIN)
        if begun is None:
            raise FactorNotFound
        # Counted separately from sign-ins, so that nobody is locked out by a clumsy start.
        attempt = await self.throttle.reserve("enrolment", str(caller.user_id))
        secret = self.factors.open(begun.secret, factor_id)
        step = totp.find_step(secret, code, int(now.timestamp())) if secret else None
        if step is None:
            raise InvalidFactor
        async with self.db.begin() as tx:
            next_factor = await self.changes.prepare_to_add(tx, caller)
            factor = await queries.confirm_totp(tx, factor_id, step, now)
            if factor is None:
                raise FactorNotFound
            codes = await self.changes.admit(
                tx, caller, factor, source, is_first=next_factor.is_first
            )
        await self.throttle.forgive(attempt)
        return codes

    async def clean_up(self) -> None:
        """Delete authenticators that were not confirmed in time."""
        await queries.delete_unconfirmed(self.db, self.clock.now() - _CONFIRM_WITHIN)
