"""Bodies of requests and responses about one's own account."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, field_validator

from keyfob.accounts.email import EmailIn
from keyfob.accounts.models import Name, PasswordIn
from keyfob.core.bodies import Body, drop_null
from keyfob.core.locales import Locale
from keyfob.one_time_tokens.models import LinkTokenIn

Timezone = Annotated[
    str,
    StringConstraints(max_length=64, pattern="^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"),
    Field(examples=["Europe/Berlin"]),
]


class ProfileIn(Body):
    """Changes to the profile; absent fields stay as they are. Users can change nothing else."""

    name: Annotated[Name | None, Field(description="null removes it")] = None
    locale: Annotated[
        Locale | None, Field(description="The language of mails", json_schema_extra=drop_null)
    ] = None
    timezone: Annotated[
        Timezone | None, Field(description="A name of the IANA database; null removes it")
    ] = None

    @field_validator("locale", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("should not be null; leave it out instead")
        return value


class PasswordChangeIn(Body):
    """The present password, and the new one."""

    current_password: PasswordIn
    password: PasswordIn


class EmailChangeIn(Body):
    """The new address."""

    email: EmailIn


class EmailConfirmIn(Body):
    """The token that was sent to the new address."""

    token: LinkTokenIn


class ErasurePlannedOut(BaseModel):
    """The time when the account will be erased."""

    erase_at: datetime
