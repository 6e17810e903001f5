"""Choices of forms that change something, and what their reader has seen before."""

from collections.abc import Collection

from keyfob.core.problems import InvalidInput
from keyfob.web.visits import Visit


def choice_in(visit: Visit, name: str, choices: Collection[str]) -> str:
    """Return a field whose value is one of some choices.

    Threat: an empty or outdated form would unblock somebody, or give a role for good.

    Raises:
        InvalidInput: it is absent, or something else.
    """
    value = visit.fields.get(name)
    if name not in visit.fields or value not in choices:
        raise InvalidInput([{"pointer": f"/{name}", "detail": "should be one of the choices"}])
    return value


def seen_in(visit: Visit, name: str) -> list[str] | None:
    """Return what a list of a form was when it was opened; None if the form does not say."""
    seen = f"seen_{name}"
    return visit.fields.get(seen).split() if seen in visit.fields else None


def is_as_seen(visit: Visit, name: str) -> bool:
    """Tell whether a field is as it was when the form was opened."""
    seen = f"seen_{name}"
    return seen in visit.fields and visit.fields.line(name) == visit.fields.line(seen)
