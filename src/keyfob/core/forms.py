"""Forms, as OAuth sends parameters (RFC 6749 appendix B), parsed in linear time."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from keyfob.core.problems import BadRequest

FORM = "application/x-www-form-urlencoded"

_LONGEST = 64 * 1024  # independent of KEYFOB_MAX_BODY_BYTES
_MOST_FIELDS = 200
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")

# RFC 8707 section 2 and RFC 8693 section 2.1; all others are given once (RFC 6749 section 3.2).
_MAY_REPEAT = frozenset({"resource", "audience"})

# Threat: proxies log queries.
_NEVER_IN_A_QUERY = frozenset(
    {
        *("client_secret", "client_assertion", "code", "code_verifier", "device_code", "assertion"),
        *("token", "access_token", "refresh_token", "id_token", "subject_token", "actor_token"),
        *("password", "username"),
    }
)


class Form(NamedTuple):
    """The parameters of a form, in their order; empty ones count as absent."""

    values: Mapping[str, tuple[str, ...]]

    def get(self, name: str) -> str | None:
        """Return a parameter; None if it is absent."""
        return self.values[name][0] if name in self.values else None

    def list_all(self, name: str) -> tuple[str, ...]:
        """Return all values of a parameter that may be repeated."""
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
    """Parse the body of a request. Its query may contain no secret, and none of the parameters.

    Raises:
        BadRequest: the body is not a form or too large, or a parameter is repeated or in the query.
    """
    if body and content_type.partition(";")[0].strip().lower() != FORM:
        raise BadRequest(f"Send a form, with Content-Type: {FORM}")
    values = _read(body)
    in_query = _read(query) if query else {}
    _refuse_if_any(in_query.keys() & _NEVER_IN_A_QUERY, "does not belong in a query")
    _refuse_if_any(in_query.keys() & values.keys(), "stands in the query and in the body")
    present = {name: tuple(filter(None, given)) for name, given in values.items()}
    return Form({name: given for name, given in present.items() if given})


def _read(text: bytes) -> dict[str, list[str]]:
    """Return the values of each name, including empty ones."""
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
    """Refuse a form because of these parameters; the answer names a known one, never the input."""
    for name in names:
        known = name if name in _KNOWN else "A parameter"
        raise BadRequest(f"{known} {reason}")


_KNOWN = _NEVER_IN_A_QUERY | {"grant_type", "client_id", "scope", "token_type_hint"}
