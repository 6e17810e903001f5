"""The settings of requests that Keyfob makes to URLs of clients."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")


def _entries(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    entries = [part.strip().lower() for part in value.split(",") if part.strip()]
    for entry in entries:
        if not _HOST.fullmatch(entry) and not _is_network(entry):
            raise ValueError('should be hosts or networks like "10.0.0.0/8", with commas between')
    return entries


def _is_network(entry: str) -> bool:
    try:
        network = ip_network(entry)
    except ValueError:
        return False
    if network.prefixlen == 0:
        raise ValueError("should not be every address: name the networks of your clients")
    return True


def _readable(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise ValueError("should be a file with certificates, as PEM")
    return path


class OutboundSettings(BaseModel):
    """Requests to URLs of clients."""

    outbound_allow: Annotated[list[str], NoDecode, BeforeValidator(_entries)] = Field(
        default_factory=list,
        description="Hosts and CIDRs, with commas, that URLs of clients may name although they are"
        " not public, also with http",
    )
    outbound_ca_file: Annotated[Path | None, AfterValidator(_readable)] = Field(
        None,
        description="Certificate authorities (PEM) trusted for URLs of clients, besides the public"
        " ones",
    )
