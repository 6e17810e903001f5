"""All mails, with their parameters.

A mail is a class here and a file `<locale>/<template>.txt` in each language, which uses the fields
of the class by name. Their values are text as the template shows it, so a job of the outbox can
contain them unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NewType

Page = Literal["verify", "recover", "invite", "email"]
Moment = NewType("Moment", str)


def moment_in_words(moment: datetime) -> Moment:
    """Return a text such as "2026-11-22 12:00 UTC"."""
    return Moment(moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"))


KINDS: "dict[str, type[Content]]" = {}  # by the names of their templates


@dataclass(frozen=True, kw_only=True)
class Content:
    """The parameters of one mail. `at`: the time of the change, by default that of `Mail.send`.

    A class declares its template; the page that the link leads to, if there is one; and whether
    strangers or administrators ask for the mail (`asked_for`), in which case it is counted where
    they ask. All others are notices of changes.
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
        """Return the parameters by name; None for unknown ones."""
        return dict(vars(self))


def read_content(template: str, told: Mapping[str, Any]) -> Content:
    """Return the mail with these parameters, which may come from a release with fewer or more."""
    kind = KINDS[template]
    return kind(**{field.name: told.get(field.name) for field in fields(kind)})


@dataclass(frozen=True, kw_only=True)
class _Traced(Content):
    """A mail about a change, with the source of the change (`devices.device.Where`)."""

    address: str | None
    device: str | None


@dataclass(frozen=True, kw_only=True)
class VerifyEmail(_Traced, template="verify_email", page="verify"):
    """A link that verifies the address."""

    token: str


class EmailTaken(_Traced, template="email_taken", asked_for=True):
    """Somebody signed up with the address of an account."""


@dataclass(frozen=True, kw_only=True)
class Recover(_Traced, template="recover", page="recover"):
    """A link for choosing a new password."""

    token: str


@dataclass(frozen=True, kw_only=True)
class Invite(Content, template="invite", page="invite"):
    """A link for choosing the first password of an account that an administrator made."""

    token: str


@dataclass(frozen=True, kw_only=True)
class ChangeEmail(Content, template="change_email", page="email"):
    """A link that changes an account's address to the one that it is sent to."""

    token: str


class ChangeEmailTaken(Content, template="change_email_taken", asked_for=True):
    """Somebody wanted to change another account's address to this one."""


@dataclass(frozen=True, kw_only=True)
class EmailChanged(_Traced, template="email_changed"):
    """The account has a new address, masked here; the mail goes to the old one."""

    new_email: str


class PasswordChanged(_Traced, template="password_changed"):
    """The password was changed by somebody who knew the old one."""


@dataclass(frozen=True, kw_only=True)
class PasswordRecovered(_Traced, template="password_recovered"):
    """A password was chosen by a link.

    `is_first_proof`: it proved the address for the first time, which ended what was there before;
    `is_kept`: a planned erasure was cancelled.
    """

    is_first_proof: bool
    is_kept: bool


@dataclass(frozen=True, kw_only=True)
class NewSignIn(_Traced, template="new_sign_in"):
    """Somebody signed in from a device or a network that was not seen before.

    `place`: the name of the place, by language.
    """

    place: Mapping[str, str] | None


class SessionReused(_Traced, template="session_reused"):
    """A refresh token was used twice, which ended the session on that device."""


@dataclass(frozen=True, kw_only=True)
class FactorAdded(_Traced, template="factor_added"):
    """A second factor with that name was added; with `ends_keys`, API keys ended with it."""

    factor: str
    ends_keys: bool = False


@dataclass(frozen=True, kw_only=True)
class ApiKeyCreated(_Traced, template="api_key_created"):
    """An API key with that name was made; None where the address is not verified."""

    key: str | None


@dataclass(frozen=True, kw_only=True)
class DeviceAllowed(_Traced, template="device_allowed"):
    """An app may act on another device, whose source this is; None for a name that is not shown."""

    app: str | None
    place: Mapping[str, str] | None


@dataclass(frozen=True, kw_only=True)
class FactorRemoved(_Traced, template="factor_removed"):
    """A second factor with that name was removed."""

    factor: str


class FactorsReset(Content, template="factors_reset"):
    """An administrator removed all factors."""


class RecoveryCodesRenewed(_Traced, template="recovery_codes_renewed"):
    """New recovery codes were made; the old ones are invalid."""


@dataclass(frozen=True, kw_only=True)
class RecoveryCodeUsed(_Traced, template="recovery_code_used"):
    """A recovery code was used; `codes_left` are left."""

    codes_left: int


@dataclass(frozen=True, kw_only=True)
class ErasurePlanned(_Traced, template="erasure_planned"):
    """The account is to be erased at that moment, as its owner asked."""

    erase_at: Moment


class ErasureCancelled(_Traced, template="erasure_cancelled"):
    """A planned erasure was cancelled."""


class Trial(Content, template="mail_test", asked_for=True):
    """An administrator tries the mail server."""


class Erased(Content, template="erased"):
    """The account was erased: the last mail to its address."""
