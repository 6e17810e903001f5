"""What one-time tokens are for, and how one looks in a request."""

from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field

from keyfob.core.text import NoControlCharacters


class Kind(StrEnum):
    """What a token is good for; it is good for nothing else."""

    VERIFY_EMAIL = "verify_email"
    RECOVER = "recover"
    INVITE = "invite"
    CHANGE_PASSWORD = "change_password"  # noqa: S105 - a kind, no secret
    CHANGE_EMAIL = "change_email"


class SignUp(NamedTuple):
    """What somebody chose who signed up, and what becomes the account's with this very password."""

    password_hash: str
    name: str | None
    locale: str


# As long as a body may be: whatever is none of our tokens is refused alike.
LinkTokenIn = Annotated[str, Field(min_length=1, examples=["kfl_q0Yx2…"]), NoControlCharacters()]
