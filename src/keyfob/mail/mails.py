"""Every mail that there is, with what it tells.

A mail is a class here and a file `<locale>/<template>.txt` in each language, which knows what the
class tells under the same names. What is told is text as the template shows it, so a job of the
outbox carries it as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NewType

Page = Literal["verify", "recover", "invite", "email"]
Moment = NewType("Moment", str)


def moment_in_words(moment: datetime) -> Moment:
    """Return "2026-11-22 12:00 UTC"."""
    return Moment(moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"))


KINDS: "dict[str, type[Content]]" = {}  # by the names of their templates


@dataclass(frozen=True, kw_only=True)
class Content:
    """What one mail tells. `at`: when it was done; if not said, it is the moment of `Mail.send`.

    A kind names its template; the page that takes the token of its link, if it has one; and whether
    it is `asked_for` by strangers or administrators, who are counted where they ask. All others are
    notices of what was done.
    """

    template: ClassVar[str]
    page: ClassVar[Page | None] = None
    is_notice: ClassVar[bool]

    at: Moment | None = None

    def __init_subclass__(
        cls, template: str | None = None, page: Page | None = None, *, asked_for: bool = False
    ) -> None:
        if template is not None:
            cls.template, cls.page, cls.is_notice = template, page, not (page or asked_for)
            KINDS[template] = cls

    def told(self) -> dict[str, Any]:
        """Return what is told, by name; None where it is not known."""
        return dict(vars(self))


def read_content(template: str, told: Mapping[str, Any]) -> Content:
    """Return what `told` gave, perhaps in a release that told less, or more."""
    kind = KINDS[template]
    return kind(**{field.name: told.get(field.name) for field in fields(kind)})


@dataclass(frozen=True, kw_only=True)
class _Traced(Content):
    """A mail that tells from where something was done (`devices.device.Where`)."""

    address: str | None
    device: str | None


@dataclass(frozen=True, kw_only=True)
class VerifyEmail(_Traced, template="verify_email", page="verify"):
    """A link that proves the address."""

    token: str


class EmailTaken(_Traced, template="email_taken", asked_for=True):
    """Somebody signed up with the address of an account."""


@dataclass(frozen=True, kw_only=True)
class Recover(_Traced, template="recover", page="recover"):
    """A link that sets a new password."""

    token: str


@dataclass(frozen=True, kw_only=True)
class Invite(Content, template="invite", page="invite"):
    """A link that sets the first password of an account that an administrator made."""

    token: str


@dataclass(frozen=True, kw_only=True)
class ChangeEmail(Content, template="change_email", page="email"):
    """A link that gives an account the address to which it goes."""

    token: str


class ChangeEmailTaken(Content, template="change_email_taken", asked_for=True):
    """Somebody wanted to give another account the address of this one."""


@dataclass(frozen=True, kw_only=True)
class EmailChanged(_Traced, template="email_changed"):
    """The account has another address now, masked here; it goes to the old one."""

    new_email: str


class PasswordChanged(_Traced, template="password_changed"):
    """The password was changed by whoever knew the one before."""


@dataclass(frozen=True, kw_only=True)
class PasswordRecovered(_Traced, template="password_recovered"):
    """A link set a password.

    `is_first_proof`: it proved the address for the first time, which ended what was there before;
    `is_kept`: a planned erasure was taken back.
    """

    is_first_proof: bool
    is_kept: bool


@dataclass(frozen=True, kw_only=True)
class NewSignIn(_Traced, template="new_sign_in"):
    """Somebody signed in from a device or a network that was not seen before.

    `place`: the name of the place in each language that has one.
    """

    place: Mapping[str, str] | None


class SessionReused(_Traced, template="session_reused"):
    """A refresh token was used twice, which ended the session of that device."""


@dataclass(frozen=True, kw_only=True)
class FactorAdded(_Traced, template="factor_added"):
    """A second factor of that name was added."""

    factor: str


@dataclass(frozen=True, kw_only=True)
class FactorRemoved(_Traced, template="factor_removed"):
    """A second factor of that name was removed."""

    factor: str


class FactorsReset(Content, template="factors_reset"):
    """An administrator removed all factors."""


class RecoveryCodesRenewed(_Traced, template="recovery_codes_renewed"):
    """New recovery codes were made; the old ones are dead."""


@dataclass(frozen=True, kw_only=True)
class RecoveryCodeUsed(_Traced, template="recovery_code_used"):
    """A recovery code signed in; so many are left."""

    codes_left: int


@dataclass(frozen=True, kw_only=True)
class ErasurePlanned(_Traced, template="erasure_planned"):
    """The account is to be erased at that moment, as its owner asked."""

    erase_at: Moment


class ErasureCancelled(_Traced, template="erasure_cancelled"):
    """The account was to be erased, and stays."""


class Erased(Content, template="erased"):
    """The account was erased: the last mail to its address."""
