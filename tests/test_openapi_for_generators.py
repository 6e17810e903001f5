"""The OpenAPI document is for generators of clients, in every language (contract section 1)."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fixtures.world import World

from keyfob.app import create_app
from keyfob.settings import Settings

Schema = dict[str, Any]

# What every engine reads alike: ECMA-262, RE2 (Go), PCRE (PHP), Java, .NET, Python, Rust.
COMMON_ESCAPES = re.compile(r"\\x[0-9a-f]{2}|\\[dws.^$*+?()\[\]{}|/]")


@pytest.fixture(scope="module")
def schema() -> Schema:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # pydantic-settings' own parameter
        database_url="postgresql://nobody@localhost/none",
        secret_key="a secret key that only the tests know",
    )
    return create_app(settings).openapi()


def parts(document: Any, place: str = "") -> Iterator[tuple[str, Schema]]:
    """Iterate over every schema of a document, or of a part of one."""
    if isinstance(document, dict):
        yield place, document
        for name, inner in document.items():
            if name not in {"example", "examples"}:
                yield from parts(inner, f"{place}/{name}")
    elif isinstance(document, list):
        for number, inner in enumerate(document):
            yield from parts(inner, f"{place}/{number}")


def reached_from(schema: Schema, roots: list[Any]) -> Iterator[tuple[str, Schema]]:
    """Iterate over every schema that the roots refer to."""
    met: set[str] = set()
    waiting = list(roots)
    while waiting:
        for place, part in parts(waiting.pop()):
            yield place, part
            name = str(part.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schema["components"]["schemas"] and name not in met:
                met.add(name)
                waiting.append({name: schema["components"]["schemas"][name]})


def operations(schema: Schema) -> list[Schema]:
    return [operation for path in schema["paths"].values() for operation in path.values()]


def test_patterns_have_no_escape_that_an_engine_lacks(schema: Schema) -> None:
    patterns = [
        part["pattern"] for _, part in parts(schema) if isinstance(part.get("pattern"), str)
    ]

    assert patterns
    assert [one for one in patterns if "\\" in COMMON_ESCAPES.sub("", one)] == []
    assert [one for one in patterns if not one.isascii() or not one.isprintable()] == []
    assert [one for one in patterns if re.search(r"\(\?|\\[bBAzZGkpP]|[*+?}]\+", one)] == []


def test_no_choice_stands_beside_properties_or_below_a_text(schema: Schema) -> None:
    assert [
        place
        for place, part in parts(schema["paths"] | schema["components"])
        if {"anyOf", "oneOf", "allOf"} & set(part) and {"properties", "type"} & set(part)
    ] == []


def test_what_may_be_null_says_so_plainly(schema: Schema) -> None:
    """`type: [string, null]`, which OpenAPI 3.1 has for it; objects are a reference beside null."""
    of_event = "/components/schemas/AuditEventOut/properties"
    assert [place for place, part in parts(schema) if part.get("type") == "null"] == [
        f"{of_event}/actor/anyOf/1",
        f"{of_event}/target/anyOf/1",
    ]
    assert [place for place, part in parts(schema) if "null" in str(part.get("type", ""))]


def test_what_may_be_left_out_of_a_query_is_never_null(schema: Schema) -> None:
    given = [one for operation in operations(schema) for one in operation.get("parameters", ())]

    assert given
    assert [one["name"] for one in given if "null" in str(one["schema"])] == []


def test_what_answers_name_may_get_more_values(schema: Schema) -> None:
    answers = [operation["responses"] for operation in operations(schema)]

    closed = {
        place for place, part in reached_from(schema, answers) if {"enum", "const"} & set(part)
    }
    assert closed == set()
    known = {
        place.rpartition("/")[2]: part["x-extensible-enum"]
        for place, part in reached_from(schema, answers)
        if "x-extensible-enum" in part
    }
    assert known["type"] == ["totp", "passkey"]
    assert known["token_type"] == ["bearer"]
    assert "wrong_password" in known["reason"]
    assert {"role", "status", "device_type", "outcome", "locale"} <= set(known)


def test_what_is_sent_is_still_one_of_a_list(schema: Schema) -> None:
    user = schema["components"]["schemas"]["UserCreate"]["properties"]

    assert user["role"]["$ref"] == "#/components/schemas/Role"
    assert schema["components"]["schemas"]["Role"]["enum"] == ["user", "moderator", "admin"]


def test_no_model_is_both_sent_and_answered(schema: Schema) -> None:
    """Else the list of values that may be sent would be open, too."""

    def names(kind: str) -> set[str]:
        roots = [operation[kind] for operation in operations(schema) if kind in operation]
        found = (part.get("$ref", "") for _, part in reached_from(schema, roots))
        return {name for name in found if name}

    assert names("requestBody") & names("responses") == set()


def test_a_body_that_may_be_left_out_is_no_choice(schema: Schema) -> None:
    body = schema["paths"]["/logout"]["delete"]["requestBody"]

    assert body.get("required", False) is False
    assert body["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/LogOutIn"
    }


def ready_example(schema: Schema, part: Schema) -> Any:
    """Return the prepared bodies of Swagger UI, for bodies with strings."""
    if "anyOf" in part:
        return ready_example(schema, part["anyOf"][0])
    if "$ref" in part:
        return ready_example(schema, schema["components"]["schemas"][part["$ref"].split("/")[-1]])
    if "examples" in part:
        return part["examples"][0]
    return {name: one.get("examples", ["string"])[0] for name, one in part["properties"].items()}


async def test_the_ready_example_of_a_sign_out_signs_out(schema: Schema, world: World) -> None:
    await world.make_user()
    user = await world.log_in()
    body = schema["paths"]["/logout"]["delete"]["requestBody"]["content"]["application/json"]

    answer = await world.api.request(
        "DELETE", "/logout", json=ready_example(schema, body["schema"]), headers=user.headers
    )

    assert answer.status_code == 204
    assert (await world.me(user)).status_code == 401
