"""Settings of clients that nobody here has registered."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

from keyfob.settings.urls import split_url

_HOST = re.compile(r"(?:\*\.)?[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*")


def _identifiers(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    named = [part.strip() for part in value.split(",") if part.strip()]
    for one in named:
        if not split_url(one, "https://mcp.example.com").scheme:
            raise ValueError('should be like "https://mcp.example.com", with commas between')
    return named


def _hosts(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    named = [part.strip().lower() for part in value.split(",") if part.strip()]
    if not all(_HOST.fullmatch(one) for one in named):
        raise ValueError('should be hosts like "app.example.com" or "*.example.com"')
    return named


Hosts = Annotated[list[str], NoDecode, BeforeValidator(_hosts)]


class SelfRegistrationSettings(BaseModel):
    """Clients that register themselves, or that a document of theirs describes."""

    dynamic_registration: Literal["off", "token", "open"] = Field(
        "off",
        description="Programs that register themselves (RFC 7591): off, token (an initial access"
        " token is needed) or open",
    )
    client_documents: bool = Field(
        False, description="Take the https URL of a client's metadata document as its client_id"
    )
    client_document_hosts: Hosts = Field(
        default_factory=list,
        description="Hosts of such documents, with commas, also *.example.com; absent: any",
    )
    client_document_hosts_denied: Hosts = Field(
        default_factory=list, description="Hosts of whose documents none is read"
    )
    self_registered_resources: Annotated[list[str], NoDecode, BeforeValidator(_identifiers)] = (
        Field(
            default_factory=list,
            description="APIs (identifiers, with commas) that such clients may ask for; never ours",
        )
    )
