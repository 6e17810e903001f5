"""The common base of request bodies."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    model_validator,
)


class Body(BaseModel):
    """A request body. Unknown fields are refused, so that no misspelt field goes unnoticed."""

    model_config = ConfigDict(extra="forbid")


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC.

    Raises:
        ValueError: the calendar has no such year there.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("should be within the calendar in UTC") from None


MomentInUtc = Annotated[AwareDatetime, AfterValidator(in_utc)]


def _not_a_number(given: object) -> object:
    # Pydantic would read "0.5" as half a second after the start of 1970.
    text = str(given)
    if not isinstance(given, datetime) and not (text[:4].isdecimal() and text[4:5] == "-"):
        raise ValueError("should be a time as in RFC 3339")
    return given


# A moment of a filter, in a query or in a body.
Moment = Annotated[AwareDatetime, BeforeValidator(_not_a_number), AfterValidator(in_utc)]


def drop_null(schema: dict[str, Any]) -> None:
    """Describe a field that may be absent, but not null."""
    schema.pop("default", None)
    schema.update(schema.pop("anyOf")[0])


class PartialBody(Body):
    """A request body with fields that may be absent, but not null, as `drop_null` describes."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_null(cls, given: Any) -> Any:
        fields = given if isinstance(given, dict) else {}
        nulls = [name for name, value in fields.items() if value is None]
        for name in nulls:
            field = cls.model_fields.get(name)
            if field and field.json_schema_extra is drop_null:
                raise ValueError(f"{name} should not be null; leave it out instead")
        return given
