"""Second factors, as stored and as the API shows them."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from keyfob.core.bodies import Body
from keyfob.core.text import NoControlCharacters, read_code


class FactorType(StrEnum):
    """The kinds of factors."""

    TOTP = "totp"
    PASSKEY = "passkey"


class Factor(NamedTuple):
    """A confirmed factor of a user; `last_used_at` is None if it was never used since then."""

    id: UUID
    type: FactorType
    name: str
    created_at: datetime
    last_used_at: datetime | None


class TotpSecret(NamedTuple):
    """The secret of an authenticator, encrypted for its row."""

    id: UUID
    secret: bytes


class OwnedSecret(NamedTuple):
    """The encrypted secret of an authenticator, and the address of its account."""

    id: UUID
    secret: bytes
    email: str


class Resealed(NamedTuple):
    """The number of re-encrypted secrets, and the addresses whose secrets no key can decrypt."""

    renewed: int
    unopened: list[str]


class RegisteredPasskey(NamedTuple):
    """The data by which a browser finds a passkey."""

    credential_id: bytes
    transports: list[str]


class StoredPasskey(NamedTuple):
    """The data to check a passkey's answer; `sign_count` is the highest count that it reported."""

    id: UUID
    user_id: UUID
    public_key: bytes
    sign_count: int


@dataclass(frozen=True)
class NewPasskey:
    """A verified new credential, for storage."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True)
class Assertion:
    """A verified proof that the user has a passkey."""

    sign_count: int
    backup_eligible: bool
    backed_up: bool


# The methods of RFC 8176 that a factor adds to those of the sign-in.
AMR_CODE = ("otp", "mfa")
AMR_PASSKEY = ("pop", "mfa")
AMR_PASSKEY_ALONE = ("pop", "user", "mfa")  # the authenticator has verified its user


FactorName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    Field(examples=["My phone"]),
    NoControlCharacters(),
]


def _six_digits(typed: str) -> str:
    code = read_code(typed)
    if not _SIX_DIGITS.fullmatch(code):
        raise ValueError("should be six digits")
    return code


_SIX_DIGITS = re.compile("[0-9]{6}")

# No pattern: a generated client would refuse spellings that we accept.
TotpCode = Annotated[
    str,
    Field(
        min_length=6,
        max_length=64,
        description="Six digits, of any script; spaces and dashes are dropped",
        examples=["123456"],
    ),
    NoControlCharacters(),
    AfterValidator(_six_digits),
]
RecoveryCode = Annotated[
    str,
    Field(min_length=1, max_length=64, examples=["k3m9-x0ra-7t2e-w8vd-5hqc-2nbf"]),
    NoControlCharacters(),
]


class FactorOut(BaseModel):
    """A factor of the caller."""

    id: UUID
    type: FactorType
    name: str
    created_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="null: never since it was added")]

    @classmethod
    def of(cls, factor: Factor) -> "FactorOut":
        return cls(**factor._asdict())


class FactorsOut(BaseModel):
    """The caller's factors, and the number of unused recovery codes."""

    factors: list[FactorOut]
    recovery_codes_left: int


class BegunTotp(BaseModel):
    """The secret of an authenticator, to be confirmed by a code within ten minutes."""

    id: UUID
    secret: Annotated[str, Field(description="For typing, in base32; shown this once")]
    uri: Annotated[str, Field(description="For apps: otpauth://totp/...")]
    qr_svg: Annotated[str, Field(description="The URI as a QR code, an SVG document")]


class RecoveryCodesOut(BaseModel):
    """Recovery codes, each valid once in place of a factor."""

    recovery_codes: Annotated[
        list[str], Field(description="Shown only once; empty if the account has some already")
    ]


class FactorNameIn(Body):
    """The name that the owner gives to a factor."""

    name: FactorName


class TotpConfirm(Body):
    """A code of the authenticator that is being added."""

    code: TotpCode
