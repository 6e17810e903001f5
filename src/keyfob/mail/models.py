"""Recipients of mails, and mails that wait in the outbox."""

from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from keyfob.accounts.models import Account, Contact
from keyfob.core.locales import Locale, known_locale
from keyfob.mail.mails import Content, Moment, read_content
from keyfob.outbox.models import Job

# The kinds of jobs in the outbox: a mail to hand over, and one that is to be counted first.
MAIL, NOTICE = "mail", "notice"


@dataclass(frozen=True, slots=True)
class Recipient:
    """The recipient of a mail: the address as typed, the language, and the account, if any.

    Args:
        name: for a greeting; left out if the address is not proven.
        proven: whether somebody is known to read mails there. Otherwise the mail contains nothing
            that anybody typed (`mail.words`).
    """

    address: str
    locale: Locale = Locale.ENGLISH
    user_id: UUID | None = None
    name: str | None = None
    proven: bool = False

    @classmethod
    def of(cls, account: Account | Contact) -> Self:
        """Return the recipient for an account; with the name if the address is proven."""
        name = account.name if account.is_verified else None
        return cls(account.email.typed, account.locale, account.id, name, account.is_verified)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMail:
    """A mail, as its job contains it.

    Args:
        to: the recipient.
        content: the parameters of the mail.
        expires_at: the end of its link's validity.
        silent_until: the time until which no more mails of its sort follow.
    """

    to: Recipient
    content: Content
    expires_at: Moment | None = None
    silent_until: Moment | None = None

    @classmethod
    def read(cls, job: Job) -> Self:
        """Read the result of `payload`, perhaps of another release.

        If it does not say whether the address is proven, it counts as not proven.
        """
        payload, to = job.payload, job.payload["to"]
        locale = known_locale(to["locale"])
        return cls(
            to=Recipient(to["address"], locale, job.user_id, to["name"], to.get("proven", False)),
            content=read_content(payload["template"], payload["params"]),
            expires_at=payload["expires_at"],
            silent_until=payload.get("silent_until"),
        )

    def payload(self) -> dict[str, Any]:
        """Return the mail as JSON values, without the account, which the job contains."""
        to = self.to
        return {
            "to": {
                "address": to.address,
                "locale": to.locale,
                "name": to.name,
                "proven": to.proven,
            },
            "template": self.content.template,
            "params": self.content.told(),
            "expires_at": self.expires_at,
            "silent_until": self.silent_until,
        }

    def told(self) -> dict[str, Any]:
        """Return all parameters of its template, by name."""
        return {
            **self.content.told(),
            "name": self.to.name,
            "expires_at": self.expires_at,
            "silent_until": self.silent_until,
        }
