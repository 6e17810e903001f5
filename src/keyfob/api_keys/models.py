"""API keys as rows become them, and as the API shows them."""

from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from keyfob.accounts.models import Name
from keyfob.authority.models import Role
from keyfob.authority.names import PermissionName
from keyfob.core.bodies import Body, MomentInUtc, PartialBody, drop_null


class StoredKey(NamedTuple):
    """A key of a user: its digest is not part of it."""

    id: UUID
    user_id: UUID
    name: str
    scope: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class LiveKey(NamedTuple):
    """A key that is valid, with what its user is now.

    `ends_at` is the first end of the key and of the further `roles`. `lacks_factor`: the role
    requires a second factor, and the user has none, so that the key can only be revoked.
    """

    key: StoredKey
    digest: bytes
    role: Role
    roles: tuple[str, ...]
    sub_gen: int
    ends_at: datetime
    lacks_factor: bool


def _once(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("should name each once")
    return values


class KeyCreate(PartialBody):
    """A key to make. Without `expires_at`, it is valid for as long as a key may be."""

    name: Name
    scope: Annotated[
        list[PermissionName],
        Field(
            min_length=1,
            max_length=100,
            description="What you may do at Keyfob, and scopes of other APIs that your roles give",
            examples=[["account:read", "orders:read"]],
        ),
        AfterValidator(_once),
    ]
    expires_at: MomentInUtc | None = Field(default=None, json_schema_extra=drop_null)


class KeyRename(Body):
    """Another name for a key."""

    name: Name


class KeyOut(BaseModel):
    """A key, without the key itself."""

    id: UUID
    name: str
    scope: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="Some seconds late")]

    @classmethod
    def of(cls, key: StoredKey) -> "KeyOut":
        told: dict[str, Any] = key._asdict()
        del told["user_id"]
        return cls(**told)


class NewKeyOut(KeyOut):
    """A key that was just made."""

    api_key: Annotated[str, Field(description="Shown once; keep it secret")]

    @classmethod
    def with_text(cls, key: StoredKey, text: str) -> "NewKeyOut":
        return cls(**KeyOut.of(key).model_dump(), api_key=text)
