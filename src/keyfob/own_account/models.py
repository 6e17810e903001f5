"""What users send about their own accounts, and what they get."""

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
    """What to change; what is absent stays. Nothing else of an account is its owner's to say."""

    name: Annotated[Name | None, Field(description="null takes it away")] = None
    locale: Annotated[
        Locale | None, Field(description="The language of mails", json_schema_extra=drop_null)
    ] = None
    timezone: Annotated[
        Timezone | None, Field(description="As the IANA database names it; null takes it away")
    ] = None

    @field_validator("locale", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("should not be null; leave it out instead")
        return value


class PasswordChangeIn(Body):
    """The present password, and the one to take its place."""

    current_password: PasswordIn
    password: PasswordIn


class EmailChangeIn(Body):
    """The address to change to."""

    email: EmailIn


class EmailConfirmIn(Body):
    """What was sent to the new address."""

    token: LinkTokenIn


class ErasurePlannedOut(BaseModel):
    """When the account will be erased."""

    erase_at: datetime
