"""The fields of a form that a page of ours sends, parsed in linear time."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from keyfob.core.forms import FORM
from keyfob.core.problems import BadRequest


@dataclass(frozen=True)
class Fields:
    """The fields by name, each with its values in their order."""

    values: Mapping[str, tuple[str, ...]]

    def get(self, name: str) -> str:
        """Return a field as it was typed; empty if it is absent."""
        return self.values[name][0] if name in self.values else ""

    def line(self, name: str) -> str:
        """Return a field without spaces around it, which is not for passwords."""
        return self.get(name).strip()

    def list_all(self, name: str) -> tuple[str, ...]:
        """Return all values of a field that may be repeated, such as a checkbox of a list."""
        return self.values.get(name, ())

    def without(self, name: str) -> "Fields":
        """Return all fields but one."""
        return Fields({one: values for one, values in self.values.items() if one != name})

    def __contains__(self, name: object) -> bool:
        return name in self.values


def read_fields(body: bytes, content_type: str, *, at_most: int) -> Fields:
    """Parse the body of a request, of at most so many fields; an empty one has none.

    Raises:
        BadRequest: it is not a form in UTF-8, or has too many fields.
    """
    if not body:
        return Fields({})
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise BadRequest("Send a form")
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=False,
            errors="strict",
            max_num_fields=at_most,
        )
    except ValueError:  # not UTF-8, or too many fields
        raise BadRequest("The form cannot be read") from None
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return Fields({name: tuple(values) for name, values in found.items()})
