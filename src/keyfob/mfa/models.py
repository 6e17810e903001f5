"""Second factors, as the API shows them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from asyncpg import Record
from pydantic import BaseModel, Field


class FactorType(StrEnum):
    """What kinds of factor there are."""

    TOTP = "totp"
    PASSKEY = "passkey"


# What proved who it was, in the words of RFC 8176, beside what the sign-in began with.
AMR_CODE = ("otp", "mfa")
AMR_PASSKEY = ("pop", "mfa")


class FactorOut(BaseModel):
    """A factor of the caller's."""

    id: UUID
    type: FactorType
    name: str
    created_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="null: never since it was added")]

    @classmethod
    def of(cls, record: Record) -> "FactorOut":
        return cls(**{name: record[name] for name in cls.model_fields})
