"""What the models of request bodies share."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request's body: what it does not know is refused, so that no misspelt field is lost."""

    model_config = ConfigDict(extra="forbid")


def drop_null(schema: dict[str, Any]) -> None:
    """Describe a field that may be absent, but not null."""
    schema.pop("default", None)
    schema.update(schema.pop("anyOf")[0])
