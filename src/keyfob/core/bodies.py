"""The common base of request bodies."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request body. Unknown fields are refused, so that no misspelt field goes unnoticed."""

    model_config = ConfigDict(extra="forbid")


def drop_null(schema: dict[str, Any]) -> None:
    """Describe a field that may be absent, but not null."""
    schema.pop("default", None)
    schema.update(schema.pop("anyOf")[0])
