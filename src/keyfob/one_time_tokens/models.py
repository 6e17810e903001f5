"""The kinds of one-time tokens, and their form in requests."""

from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import Field

from keyfob.accounts.email import Email
from keyfob.accounts.models import SignUp
from keyfob.core.locales import Locale
from keyfob.core.text import NoControlCharacters


class Kind(StrEnum):
    """The kinds of tokens; a token is valid for its own kind only."""

    VERIFY_EMAIL = "verify_email"
    RECOVER = "recover"
    INVITE = "invite"
    CHANGE_PASSWORD = "change_password"  # noqa: S105 - a kind, no secret
    CHANGE_EMAIL = "change_email"


class Link(NamedTuple):
    """A valid token; `email` is the address that it proves, the last three fields a sign-up's."""

    user_id: UUID
    kind: Kind
    email: Email | None
    password_hash: str | None
    name: str | None
    locale: Locale | None

    def proves(self, email_normal: str) -> bool:
        """Tell whether the token proves that address."""
        return self.email is not None and self.email.normal == email_normal

    @property
    def sign_up(self) -> SignUp | None:
        """The sign-up that the link was made for, if there is one."""
        if self.email is None or self.password_hash is None or self.locale is None:
            return None
        return SignUp(self.email, self.password_hash, self.name, self.locale)


# As long as a body may be: everything that is not one of our tokens gets the same refusal.
LinkTokenIn = Annotated[str, Field(min_length=1, examples=["kfl_q0Yx2…"]), NoControlCharacters()]
