"""Settings of the database and its connections."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from keyfob.settings.database_url import read_database_url


def _postgresql(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        read_database_url(value.get_secret_value())
    return value


class DatabaseSettings(BaseModel):
    """PostgreSQL: an external one, or the embedded one in the data folder."""

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
        description="Pooler in transaction mode at that URL; prepared: with prepared statements",
    )
    database_direct_url: Annotated[SecretStr | None, AfterValidator(_postgresql)] = Field(
        None, description="URL of the database without its pooler, for the feed and migrations"
    )
    feed: Literal["auto", "notify", "poll"] = Field(
        "auto", description="Source of revocations for workers; auto: notify if they can listen"
    )
    migrate_on_start: bool = Field(True, description="Migrate the schema to head at the start")
