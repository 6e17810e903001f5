"""The settings of the database and of the way to it."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr

_HOST = re.compile(r"(?:\[[^\[\]]+\]|[^:\[\]]*)(?::(\d{1,5}))?")


def _postgresql(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not _is_postgresql(value.get_secret_value()):
        raise ValueError("should be like postgresql://user:password@host:5432/name")
    return value


def _is_postgresql(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets without an address in them
        return False
    hosts = [_HOST.fullmatch(host) for host in parts.netloc.rpartition("@")[2].split(",")]
    return parts.scheme in {"postgresql", "postgres"} and all(
        host is not None and int(host[1] or 0) <= 65535 for host in hosts
    )


class DatabaseSettings(BaseModel):
    """PostgreSQL: one of yours, or the embedded one in the data folder."""

    database_url: Annotated[SecretStr | None, AfterValidator(_postgresql)] = Field(
        None, description="postgresql://user:password@host/name; absent: the embedded PostgreSQL"
    )
    data_dir: Path = Field(Path(".keyfob"), description="Folder for the embedded database and key")
    database_pool_size: int = Field(10, ge=2, le=500, description="Connections per worker")
    database_acquire_timeout: float = Field(
        2.0, gt=0, le=60, description="Seconds to wait for a free connection"
    )
    database_command_timeout: float = Field(
        5.0, gt=0, le=300, description="Seconds to wait for an answer"
    )
    database_pooler: Literal["none", "transaction", "prepared"] = Field(
        "none",
        description="Pooler in transaction mode at that URL; prepared: it knows such statements",
    )
    database_direct_url: Annotated[SecretStr | None, AfterValidator(_postgresql)] = Field(
        None, description="The database past its pooler, for the feed and migrations"
    )
    feed: Literal["auto", "notify", "poll"] = Field(
        "auto", description="How a worker hears of revocations; auto: notify where it can listen"
    )
    migrate_on_start: bool = Field(True, description="Bring the schema to head at the start")
