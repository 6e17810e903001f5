"""Needs that ask for nothing: whoever makes them hears of it, instead of letting everybody in."""

from typing import Any

import pytest

from keyfob_client.answers import Needs
from keyfob_client.fastapi import (
    require_acr,
    require_recent_sign_in,
    require_role,
    require_scope,
)

NOTHING: dict[str, dict[str, Any]] = {
    "unknown": {"roles": ["admin"]},
    "no role": {"role": []},
    "empty role": {"role": ""},
    "None as role": {"role": None},
    "one role is None": {"role": ["admin", None]},
    "no scope": {"scope": ()},
    "no acr": {"acr": set()},
    "None as age": {"max_age": None},
    "text as age": {"max_age": "300"},
    "no number as age": {"max_age": float("nan")},
    "None as user": {"user": None},
}


@pytest.mark.parametrize("rights", NOTHING.values(), ids=NOTHING)
def test_needs_that_ask_for_nothing_are_refused_when_they_are_made(rights: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Needs.of(**rights)


@pytest.mark.parametrize("require", [require_role, require_scope, require_acr])
def test_dependencies_that_ask_for_nothing_are_refused_likewise(require: Any) -> None:
    with pytest.raises(TypeError):
        require(*[])


def test_a_sign_in_of_no_age_is_refused_likewise() -> None:
    with pytest.raises(TypeError):
        require_recent_sign_in(None)  # type: ignore[arg-type] # what a setting may give


def test_needs_are_what_was_named() -> None:
    assert Needs.of() == Needs()
    assert Needs.of(user=True, role="a", scope=["b", "c"], max_age=0, acr=("d",)) == Needs(
        user=True, roles=("a",), scope=("b", "c"), max_age=0, acr_values=("d",)
    )
