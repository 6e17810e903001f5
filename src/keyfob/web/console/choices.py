"""A choice of a form that changes something."""

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
