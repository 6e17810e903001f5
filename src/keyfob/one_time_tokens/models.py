"""What one-time tokens are for, and how one looks in a request."""

from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import Field

from keyfob.accounts.email import Email
from keyfob.accounts.models import SignUp
from keyfob.core.text import NoControlCharacters


class Kind(StrEnum):
    """What a token is good for; it is good for nothing else."""

    VERIFY_EMAIL = "verify_email"
    RECOVER = "recover"
    INVITE = "invite"
    CHANGE_PASSWORD = "change_password"  # noqa: S105 - a kind, no secret
    CHANGE_EMAIL = "change_email"


class Link(NamedTuple):
    """A live token; `email` is the address that it proves, and the last three are of a sign-up."""

    user_id: UUID
    kind: Kind
    email: Email | None
    password_hash: str | None
    name: str | None
    locale: str | None

    def proves(self, email_normal: str) -> bool:
        """Tell whether it proves that address."""
        return self.email is not None and self.email.normal == email_normal

    @property
    def sign_up(self) -> SignUp | None:
        """What somebody chose who signed up, where that is how the link came about."""
        if self.email is None or self.password_hash is None or self.locale is None:
            return None
        return SignUp(self.email, self.password_hash, self.name, self.locale)


# As long as a body may be: whatever is none of our tokens is refused alike.
LinkTokenIn = Annotated[str, Field(min_length=1, examples=["kfl_q0Yx2…"]), NoControlCharacters()]
