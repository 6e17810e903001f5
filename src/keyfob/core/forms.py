"""Forms, as OAuth sends parameters (RFC 6749 appendix B), read in time linear in their length."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from keyfob.core.problems import BadRequest

FORM = "application/x-www-form-urlencoded"

_LONGEST = 64 * 1024  # whatever KEYFOB_MAX_BODY_BYTES says
_MOST_FIELDS = 200
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")

# RFC 8707 section 2 and RFC 8693 section 2.1; any other is given once (RFC 6749 section 3.2).
_MAY_REPEAT = frozenset({"resource", "audience"})

# Threat: what a query holds is written into the logs of proxies.
_NEVER_IN_A_QUERY = frozenset(
    {
        *("client_secret", "client_assertion", "code", "code_verifier", "device_code", "assertion"),
        *("token", "access_token", "refresh_token", "id_token", "subject_token", "actor_token"),
        *("password", "username"),
    }
)


class Form(NamedTuple):
    """The parameters of a form, in their order; those that are empty count as absent."""

    values: Mapping[str, tuple[str, ...]]

    def get(self, name: str) -> str | None:
        """Return a parameter; None if it is absent."""
        return self.values[name][0] if name in self.values else None

    def list_all(self, name: str) -> tuple[str, ...]:
        """Return every value of a parameter that may repeat."""
        return self.values.get(name, ())

    def need(self, name: str) -> str:
        """Return a parameter.

        Raises:
            BadRequest: it is absent.
        """
        value = self.get(name)
        if value is None:
            raise BadRequest(f"The parameter {name} is missing")
        return value


def parse_form(body: bytes, content_type: str, query: bytes = b"") -> Form:
    """Parse the body of a request; its query may hold none of the same parameters, and no secret.

    Raises:
        BadRequest: the body is no form or too large, or a parameter stands twice or in the query.
    """
    if body and content_type.partition(";")[0].strip().lower() != FORM:
        raise BadRequest(f"Send a form, with Content-Type: {FORM}")
    values = _read(body)
    in_query = _read(query)
    _refuse_if_any(in_query.keys() & _NEVER_IN_A_QUERY, "does not belong in a query")
    _refuse_if_any(in_query.keys() & values.keys(), "stands in the query and in the body")
    present = {name: tuple(filter(None, given)) for name, given in values.items()}
    return Form({name: given for name, given in present.items() if given})


def _read(text: bytes) -> dict[str, list[str]]:
    """Return the values of each name, empty ones too."""
    if len(text) > _LONGEST:
        raise BadRequest("The form is too large")
    try:
        pairs = parse_qsl(
            text.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise BadRequest("The form cannot be read") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if _CONTROLS.search(name) or _CONTROLS.search(value):
            raise BadRequest("The form has control characters")
        values.setdefault(name, []).append(value)
    _refuse_if_any(_repeated(values), "stands twice")
    return values


def _repeated(values: Mapping[str, Collection[str]]) -> list[str]:
    return [name for name, given in values.items() if len(given) > 1 and name not in _MAY_REPEAT]


def _refuse_if_any(names: Iterable[str], reason: str) -> None:
    """Refuse a form for these parameters, of which one that we know is named: not the input."""
    for name in names:
        known = name if name in _KNOWN else "A parameter"
        raise BadRequest(f"{known} {reason}")


_KNOWN = _NEVER_IN_A_QUERY | {"grant_type", "client_id", "scope", "token_type_hint"}
