"""Bodies of requests and responses about resources."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from keyfob.accounts.models import Name
from keyfob.admin.client_models import Identifier, Ttl
from keyfob.authority.models import OPENID_SCOPES
from keyfob.authority.names import PermissionName
from keyfob.clients.models import Resource
from keyfob.clients.uris import ensure_resource
from keyfob.core.bodies import Body, PartialBody, drop_null
from keyfob.core.locales import Locale
from keyfob.core.text import NoControlCharacters

_ABSENT = Field(default=None, json_schema_extra=drop_null)
_EPOCH = datetime.fromtimestamp(0, UTC)


def _not_about_people(scopes: dict[str, Any]) -> dict[str, Any]:
    """Refuse names of what apps ask about a person (OpenID Connect Core section 5.4)."""
    if any(name in OPENID_SCOPES for name in scopes):
        raise ValueError(f"should have none of these: {', '.join(OPENID_SCOPES)}")
    return scopes


Words = Annotated[str, StringConstraints(min_length=1, max_length=200), NoControlCharacters()]
Scopes = Annotated[
    dict[PermissionName, dict[Locale, Words]],
    Field(max_length=100, description="The scopes, each with a description by language"),
    AfterValidator(_not_about_people),
]


class ResourceCreate(Body):
    """An API to register, so that tokens may be for it (RFC 8707)."""

    identifier: Annotated[
        Identifier,
        AfterValidator(ensure_resource),
        Field(description="An absolute URI without fragment; it becomes `aud`, and stays"),
    ]
    name: Name
    scopes: Scopes = Field(default_factory=dict)
    access_token_ttl: Ttl | None = None

    def to_resource(self) -> Resource:
        """Return the resource, without the id and the times that it gets when it is registered."""
        return Resource(
            UUID(int=0),
            self.identifier,
            self.name,
            _plain(self.scopes),
            self.access_token_ttl,
            _EPOCH,
            _EPOCH,
        )


class ResourceUpdate(PartialBody):
    """Changes to a resource; absent fields stay as they are. `access_token_ttl: null` clears it."""

    name: Name | None = _ABSENT
    scopes: Scopes | None = _ABSENT
    access_token_ttl: Ttl | None = Field(default=None)

    def changed(self, resource: Resource) -> Resource:
        """Return a resource as these changes make it."""
        changes_ttl = "access_token_ttl" in self.model_fields_set
        return resource._replace(
            name=resource.name if self.name is None else self.name,
            scopes=resource.scopes if self.scopes is None else _plain(self.scopes),
            access_token_ttl=self.access_token_ttl if changes_ttl else resource.access_token_ttl,
        )


class ResourceOut(BaseModel):
    """An API that tokens may be for."""

    id: UUID
    identifier: str
    name: str
    scopes: dict[str, dict[str, str]]
    access_token_ttl: int | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, resource: Resource) -> "ResourceOut":
        return cls(**resource._asdict())


def _plain(scopes: dict[str, dict[Locale, str]]) -> dict[str, dict[str, str]]:
    return {
        scope: {locale.value: words for locale, words in told.items()}
        for scope, told in scopes.items()
    }
