"""The caller's own factors."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path

from keyfob.accounts.errors import EmailUnverified
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided, may_refuse, router
from keyfob.devices.requests import RequestSource
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.mfa.changes import FactorChanges
from keyfob.mfa.enrolment import TotpEnrolment
from keyfob.mfa.errors import FactorNotFound, InvalidFactor, LastFactor, NoFactor, TooManyFactors
from keyfob.mfa.models import (
    BegunTotp,
    FactorNameIn,
    FactorOut,
    FactorsOut,
    RecoveryCodesOut,
    TotpConfirm,
)
from keyfob.mfa.service import Factors

routes = router("Factors")

# The type :uuid keeps "/me/factors/totp" from being taken for a factor.
FactorId = Annotated[UUID, Path(alias="id")]
RecentlySignedIn = Annotated[User, require(recent=True)]
# Also for a role that requires a factor, before there is one.
AddingUser = Annotated[User, require(recent=True, factor=False)]
Enrolment = Annotated[TotpEnrolment, Provided(TotpEnrolment)]
Changes = Annotated[FactorChanges, Provided(FactorChanges)]
_LIMITED = [Depends(limited("me-factors", by="both"))]


@routes.get("/me/factors", dependencies=[Depends(limited("me", by="caller"))])
async def list_own_factors(
    caller: Annotated[User, require(factor=False)], factors: Annotated[Factors, Provided(Factors)]
) -> FactorsOut:
    """List your second factors, and the number of unused recovery codes."""
    found = await factors.list(factors.db, caller.user_id)
    left = await factors.count_recovery_codes(factors.db, caller.user_id)
    return FactorsOut(factors=[FactorOut.of(one) for one in found], recovery_codes_left=left)


@routes.post(
    "/me/factors/totp",
    status_code=201,
    dependencies=_LIMITED,
    responses=may_refuse(EmailUnverified, TooManyFactors),
)
async def begin_totp(body: FactorNameIn, caller: AddingUser, enrolment: Enrolment) -> BegunTotp:
    """Begin to add an authenticator app: scan `qr_svg`, or type `secret`.

    It becomes a factor once you confirm it by a code, in the same session and within ten minutes.
    Beginning again replaces it. Your e-mail address has to be verified before.
    """
    return await enrolment.begin(caller, body.name)


@routes.post(
    "/me/factors/totp/{id}/confirm",
    dependencies=_LIMITED,
    responses=may_refuse(
        EmailUnverified, FactorNotFound, InvalidFactor, TooManyFactors, TooManyAttempts
    ),
)
async def confirm_totp(
    factor_id: FactorId,
    body: TotpConfirm,
    caller: AddingUser,
    source: RequestSource,
    enrolment: Enrolment,
) -> RecoveryCodesOut:
    """Confirm an authenticator app by one of its codes.

    With the first factor you get ten recovery codes. Your session has just proven the factor: its
    next refresh says so in `acr` and `amr`.
    """
    codes = await enrolment.confirm(caller, factor_id, body.code, source)
    return RecoveryCodesOut(recovery_codes=codes)


@routes.patch("/me/factors/{id:uuid}", dependencies=_LIMITED, responses=may_refuse(FactorNotFound))
async def rename_factor(
    factor_id: FactorId,
    body: FactorNameIn,
    caller: RecentlySignedIn,
    source: RequestSource,
    changes: Changes,
) -> FactorOut:
    """Rename a factor."""
    return FactorOut.of(await changes.rename(caller, factor_id, body.name, source))


@routes.delete(
    "/me/factors/{id:uuid}",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(FactorNotFound, LastFactor),
)
async def remove_factor(
    factor_id: FactorId, caller: RecentlySignedIn, source: RequestSource, changes: Changes
) -> None:
    """Remove a factor. Other sessions then have to present another one.

    With the last factor, the recovery codes go as well, and every session loses `mfa`: refresh your
    tokens.
    """
    await changes.remove(caller, factor_id, source)


@routes.post(
    "/me/factors/recovery-codes",
    dependencies=_LIMITED,
    responses=may_refuse(EmailUnverified, NoFactor),
)
async def renew_recovery_codes(
    caller: RecentlySignedIn, source: RequestSource, changes: Changes
) -> RecoveryCodesOut:
    """Get ten new recovery codes; the old ones become invalid."""
    return RecoveryCodesOut(recovery_codes=await changes.renew_recovery_codes(caller, source))
