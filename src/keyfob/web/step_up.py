"""Proving one's identity once more, in the form that asks for something else.

A page that needs a recent sign-in is answered with a form, which contains what was asked for and a
field for the password or a factor. It is sent to where the first form was sent: the proof comes
first, then the action goes on.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from pydantic import SecretStr, ValidationError

from keyfob.authority.models import User
from keyfob.core.bodies import Body
from keyfob.core.database import Database
from keyfob.devices.source import Source
from keyfob.limits.rates import RateLimits
from keyfob.login.reauthentication import Reauthentication
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import FactorType
from keyfob.mfa.passkeys.credentials import AssertionIn
from keyfob.mfa.service import Factors
from keyfob.sessions.models import OpenedSession
from keyfob.web.forms import Fields

PASSWORD, CODE, PASSKEY = "step-up-password", "step-up-code", "step-up-passkey"
_MOST_TEXT = 65_536
_ALL = frozenset({PASSWORD, CODE, PASSKEY})


class Ways(NamedTuple):
    """The ways in which a user can prove their identity once more."""

    password: bool
    code: bool
    passkey: bool


class _Shown(Body):
    challenge_id: UUID
    credential: AssertionIn


@dataclass(frozen=True, kw_only=True)
class StepUpPage:
    """Asks for a proof, then for what `action` does with `fields`; `error` is a sentence."""

    template: ClassVar[str] = "step_up.html"

    action: str
    fields: list[tuple[str, str]]
    ways: Ways
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class StepUpForm:
    """Reads the proof in a form."""

    db: Database
    reauthentication: Reauthentication
    factors: Factors
    rates: RateLimits

    async def prove(self, user: User, fields: Fields, source: Source) -> OpenedSession | None:
        """Renew the session of a user whose form contains a proof; None if it contains none.

        Raises:
            InvalidCredentials, InvalidFactor, TooManyAttempts, TooManyRequests, Overloaded,
                InsufficientAuthentication: see `Reauthentication`.
        """
        if not any(fields.get(name) for name in _ALL):
            return None
        await self.rates.hit("me-password", source.address, str(user.user_id))
        if code := fields.line(CODE):
            digits = "".join(one for one in code if one not in " -")
            return await self.reauthentication.with_code(user, digits, source)
        if shown := fields.get(PASSKEY):
            challenge_id, credential = read_assertion(shown)
            return await self.reauthentication.with_passkey(user, challenge_id, credential, source)
        password = SecretStr(fields.get(PASSWORD))
        return await self.reauthentication.with_password(user, password, source)

    async def ways(self, user: User) -> Ways:
        """Return the ways of a user: factors if there are any, else the password."""
        kinds = {factor.type for factor in await self.factors.list(self.db, user.user_id)}
        return Ways(
            password=not kinds,
            code=FactorType.TOTP in kinds,
            passkey=FactorType.PASSKEY in kinds,
        )


def without_proof(fields: Fields, *, at_most: int) -> list[tuple[str, str]]:
    """Return the fields of a form for sending them again: without any password or proof.

    None if there are more than `at_most`. Threat: strangers have a worker write thousands of them.
    """
    found = [
        (name, value)
        for name, values in fields.values.items()
        if name not in _ALL and "password" not in name
        for value in values
    ]
    is_small = len(found) <= at_most and sum(len(value) for _, value in found) <= _MOST_TEXT
    return found if is_small else []


def read_assertion(text: str) -> tuple[UUID, dict[str, Any]]:
    """Read what a script puts into a field: `{"challenge_id": ..., "credential": {...}}`.

    Raises:
        InvalidFactor: it is something else.
    """
    try:
        shown = _Shown.model_validate_json(text)
    except ValidationError:
        raise InvalidFactor from None
    return shown.challenge_id, shown.credential.as_json()
