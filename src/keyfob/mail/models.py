"""To whom we write, and what about."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from uuid import UUID

from keyfob.core.locales import Locale


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets a mail: the address as typed, the language, and the account, if it has one.

    Args:
        name: for a greeting; left out where the address is not proven.
        proven: somebody has shown that they read mails there. Else nothing that anybody typed
            stands in the mail (`mail.words`).
    """

    address: str
    locale: str = Locale.ENGLISH
    user_id: UUID | None = None
    name: str | None = None
    proven: bool = False


# The kinds of its jobs in the outbox: a mail to hand over, and one that is to be counted first.
MAIL, NOTICE = "mail", "notice"


class Template(StrEnum):
    """What a mail is about; the file `<locale>/<value>.txt` says it."""

    VERIFY_EMAIL = "verify_email"
    EMAIL_TAKEN = "email_taken"
    RECOVER = "recover"
    INVITE = "invite"
    CHANGE_EMAIL = "change_email"
    CHANGE_EMAIL_TAKEN = "change_email_taken"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a name
    PASSWORD_RECOVERED = "password_recovered"  # noqa: S105 - likewise
    NEW_SIGN_IN = "new_sign_in"
    SESSION_REUSED = "session_reused"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTORS_RESET = "factors_reset"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    RECOVERY_CODE_USED = "recovery_code_used"
    ERASURE_PLANNED = "erasure_planned"
    ERASURE_CANCELLED = "erasure_cancelled"
    ERASED = "erased"


Page = Literal["verify", "recover", "invite", "email"]

# Mails with a one-time link, and the page that takes its token.
PAGES: dict[Template, Page] = {
    Template.VERIFY_EMAIL: "verify",
    Template.RECOVER: "recover",
    Template.INVITE: "invite",
    Template.CHANGE_EMAIL: "email",
}

# What strangers or administrators ask for: counted there. All others are notices of what was done.
ASKED_FOR = frozenset({*PAGES, Template.EMAIL_TAKEN, Template.CHANGE_EMAIL_TAKEN})

# What else the caller may tell; `at` is the moment of the call unless told otherwise.
_TOLD = "token at address device place factor new_email codes_left erase_at is_first_proof is_kept"
KNOWN = frozenset(_TOLD.split())
# What is told beside, by this room alone.
OURS = frozenset({"name", "expires_at", "silent_until"})
NEEDED: dict[Template, frozenset[str]] = {
    **{template: frozenset({"token"}) for template in PAGES},
    Template.ERASURE_PLANNED: frozenset({"erase_at"}),
}
