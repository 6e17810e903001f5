"""The `claims` parameter: single claims that an app asks for (OpenID Connect Core section 5.5)."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from keyfob.authority.models import STRONG, WEAK
from keyfob.oauth.claims import CLAIMS_OF_PERSON
from keyfob.sessions.models import AskedClaims

_LONGEST = 4096


class ReadClaims(NamedTuple):
    """The contents of the parameter, as far as they are known here.

    `acr` are the levels of which a sign-in must have one, without any if none is essential;
    `prefers_factor` if a second factor is asked for, but not essential. `subject` is the only user
    that may answer.
    """

    names: AskedClaims = AskedClaims()
    acr: frozenset[str] = frozenset()
    prefers_factor: bool = False
    subject: UUID | None = None

    @property
    def needs_factor(self) -> bool:
        """Tell whether only a sign-in with a second factor will do."""
        return bool(self.acr) and WEAK not in self.acr


def read_claims(text: str | None) -> ReadClaims:
    """Return what a `claims` parameter asks for. Unknown claims and members are ignored.

    Values that are asked for count for `acr` (section 5.5.1.1) and `sub` alone; other claims are
    what they are.

    Raises:
        ValueError: it is no JSON object of objects, is too long, or names a subject that there
            cannot be.
    """
    if text is None:
        return ReadClaims()
    if len(text) > _LONGEST:
        raise ValueError("claims is too long")
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("claims is not JSON") from None
    at_userinfo, in_id_token = _member(asked, "userinfo"), _member(asked, "id_token")
    acr = in_id_token.get("acr")
    levels = _values(acr)
    is_essential = isinstance(acr, dict) and acr.get("essential") is True and bool(levels)
    names = AskedClaims(_known(at_userinfo), _known(in_id_token))
    return ReadClaims(
        names,
        acr=frozenset(levels) if is_essential else frozenset(),
        prefers_factor=not is_essential and levels[:1] == (STRONG,),
        subject=_subject(at_userinfo, in_id_token),
    )


def _member(asked: Any, name: str) -> Mapping[str, Any]:
    found = asked.get(name) if isinstance(asked, dict) else asked
    if found is None and isinstance(asked, dict):
        return {}
    if not isinstance(found, dict):
        raise ValueError("claims should be an object of objects")  # noqa: TRY004 - what was sent
    return found


def _known(asked: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in CLAIMS_OF_PERSON if name in asked)


def _values(asked: Any) -> tuple[str, ...]:
    """Return the texts among the `value` or the `values` that a claim is asked for with."""
    if not isinstance(asked, dict):
        return ()
    values = asked.get("values")
    given = [*values] if isinstance(values, list) else [asked.get("value")]
    return tuple(value for value in given if isinstance(value, str))


def _subject(*asked: Mapping[str, Any]) -> UUID | None:
    named = {value for one in asked for value in _values(one.get("sub"))}
    if not named:
        return None
    try:
        (subject,) = {UUID(text) for text in named}
    except ValueError:
        raise ValueError("claims asks for an unknown sub") from None
    return subject
