"""OpenAPI and the HTTP contract agree, both ways.

The tables of `tests/contract.py` are the contract's, written down once more: whoever changes what
clients may rely on changes them there, and says so in the review.
"""

import re
from typing import Any

import pytest
from tests.contract import ALWAYS, ANSWERS, BODIES, CONTRACT, LIMITED, RATE, WORDS, Schema
from tests.fixtures.world import World

from keyfob.app import create_app
from keyfob.settings import Settings


@pytest.fixture(scope="module")
def schema() -> Schema:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # pydantic-settings' own parameter
        database_url="postgresql://nobody@localhost/none",
        secret_key="a secret key that only the tests know",
    )
    return create_app(settings).openapi()


def resolved(schema: Schema, part: Schema) -> Schema:
    """Follow a reference, and leave out that something may be null."""
    if "anyOf" in part:
        (part,) = [one for one in part["anyOf"] if one.get("type") != "null"]
    if "$ref" in part:
        found: Any = schema
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return resolved(schema, found)
    return part


def operations(schema: Schema) -> dict[tuple[str, str], Schema]:
    return {
        (method.upper(), path): operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def codes_of(operation: Schema) -> set[str]:
    return {
        code
        for response in operation["responses"].values()
        for told in response.get("content", {}).values()
        for code in told.get("examples", {})
    }


def words_of(schema: Schema, part: Schema) -> list[str]:
    part = resolved(schema, part)
    # An answer's list of values is open: more may be added.
    words: list[str] = part["enum"] if "enum" in part else part["x-extensible-enum"]
    return words


def test_the_calls_are_those_of_the_contract(schema: Schema) -> None:
    assert set(operations(schema)) == set(CONTRACT)


@pytest.mark.parametrize("call", CONTRACT, ids=" ".join)
class TestEachCall:
    def test_its_successes_are_the_contract_s(self, schema: Schema, call: tuple[str, str]) -> None:
        successes = [
            status for status in operations(schema)[call]["responses"] if status.startswith("2")
        ]

        # Where addresses are to be proven first, a sign-up is only taken: 202, and no tokens. And
        # who proves an address while signed in gets none.
        also = {("POST", "/register"): ["202"], ("POST", "/verify-email/confirm"): ["204"]}
        assert successes == [str(CONTRACT[call].status), *also.get(call, [])]

    def test_its_refusals_are_the_contract_s(self, schema: Schema, call: tuple[str, str]) -> None:
        assert codes_of(operations(schema)[call]) == CONTRACT[call].codes

    def test_its_authority_is_the_contract_s(self, schema: Schema, call: tuple[str, str]) -> None:
        operation = operations(schema)[call]
        bearer = {"bearer": []}
        by_authority = {
            None: [],
            "anyone": [{}, bearer],
            "client": [{"client": []}],
            "app": [{"app": []}],
        }

        security = by_authority.get(CONTRACT[call].authority, [bearer])
        assert operation.get("security", []) == security
        assert ("403" in operation["responses"] and call[1].startswith("/admin")) == (
            CONTRACT[call].authority == "admin"
        )

    def test_its_parameters_are_the_contract_s(self, schema: Schema, call: tuple[str, str]) -> None:
        given = operations(schema)[call].get("parameters", [])
        query = {one["name"] for one in given if one["in"] == "query"}
        path = {one["name"] for one in given if one["in"] == "path"}

        assert query == CONTRACT[call].query
        assert path == set(re.findall(r"{(\w+)}", call[1]))
        assert [one for one in given if one["in"] not in {"query", "path"}] == []
        required = {one["name"] for one in given if one["in"] == "query" and one["required"]}
        assert required <= {"permission"}

    def test_its_body_is_the_contract_s(self, schema: Schema, call: tuple[str, str]) -> None:
        body = operations(schema)[call].get("requestBody")
        named = CONTRACT[call].body
        assert (body is None) == (named is None)
        if body is None or named is None:
            return

        ((kind, content),) = body["content"].items()
        is_form = CONTRACT[call].authority in {"client", "app"}
        assert kind == ("application/x-www-form-urlencoded" if is_form else "application/json")
        given = resolved(schema, content["schema"])
        required, optional = BODIES[named]
        assert set(given.get("required", ())) == required
        assert set(given["properties"]) == required | optional
        # RFC 6749 section 3.2, RFC 7591 section 2.
        takes_unknown = is_form or named == "ClientMetadata"
        assert given.get("additionalProperties", True) is takes_unknown
        assert body.get("required", False) == (named not in {"Logout", "SecretCreate"})

    def test_its_answer_is_the_contract_s(self, schema: Schema, call: tuple[str, str]) -> None:
        response = operations(schema)[call]["responses"][str(CONTRACT[call].status)]
        named = CONTRACT[call].answer
        if CONTRACT[call].status == 204:
            assert "content" not in response
        if named is None:
            return

        answer = resolved(schema, response["content"]["application/json"]["schema"])
        if named.startswith("["):
            assert answer["type"] == "array"
            answer = resolved(schema, answer["items"])
        assert set(answer["properties"]) == ANSWERS[named.strip("[]")]

    def test_its_headers_are_the_contract_s(self, schema: Schema, call: tuple[str, str]) -> None:
        for status, response in operations(schema)[call]["responses"].items():
            wanted = set(ALWAYS)
            if status.startswith("2"):
                wanted |= CONTRACT[call].headers
            if status == "401":
                wanted |= {"WWW-Authenticate"}
            if status in {"429", "503"}:
                wanted |= {"Retry-After"}
            if status == "429" or (status.startswith("2") and CONTRACT[call].codes >= LIMITED):
                wanted |= RATE
            assert set(response["headers"]) == wanted, status


@pytest.mark.parametrize("name", ["UserOut", "UserWithSessions", "SessionOut", "TokensOut"])
def test_words_are_the_contract_s(schema: Schema, name: str) -> None:
    properties = schema["components"]["schemas"][name]["properties"]
    worded = {field: part for field, part in properties.items() if field in WORDS}

    assert worded
    assert {field: words_of(schema, part) for field, part in worded.items()} == {
        field: WORDS[field] for field in worded
    }


def test_the_list_of_users_is_bounded_as_the_contract_says(schema: Schema) -> None:
    query = {
        one["name"]: one["schema"] for one in schema["paths"]["/admin/users"]["get"]["parameters"]
    }

    assert words_of(schema, query["sort"]) == WORDS["sort"]
    assert words_of(schema, query["role"]) == WORDS["role"]
    assert words_of(schema, query["status"]) == WORDS["status"]
    assert resolved(schema, query["online"])["type"] == "boolean"
    assert {key: query["limit"][key] for key in ("minimum", "maximum", "default")} == {
        "minimum": 1,
        "maximum": 1000,
        "default": 100,
    }
    assert query["skip"]["minimum"] == 0


def test_a_refresh_token_goes_by_one_of_two_names(schema: Schema) -> None:
    body = schema["paths"]["/refresh"]["post"]["requestBody"]["content"]["application/json"]

    assert set(body["schema"]["properties"]) == {"token", "refresh_token"}
    assert "exactly one" in body["schema"]["description"]


def test_defaults_of_a_new_account_are_the_contract_s(schema: Schema) -> None:
    properties = schema["components"]["schemas"]["UserCreate"]["properties"]

    assert (properties["role"]["default"], properties["status"]["default"]) == ("user", "active")


def test_a_problem_has_the_members_of_the_contract(schema: Schema) -> None:
    problem = schema["components"]["schemas"]["Problem"]

    told = {"reason", "token", "mfa_token", "expires_in", "factors", "max_age", "acr_values"}
    assert set(problem["properties"]) - told == {
        "type",
        "title",
        "status",
        "detail",
        "code",
        "request_id",
        "errors",
    }
    assert set(problem["properties"]["errors"]["items"]["properties"]) == {"pointer", "detail"}


async def test_answers_are_what_openapi_says(world: World) -> None:
    await world.make_user(name="Ada")
    user = await world.log_in()
    admin = await world.make_admin()

    got = {
        "Tokens": (await world.refresh(user.refresh)).json(),
        "OwnUser": (await world.me(user)).json(),
        "Session": (await world.api.get("/me/sessions", headers=user.headers)).json()[0],
        "Login": (await world.api.get("/admin/logins", headers=admin.headers)).json()[0],
        "Audit": (await world.api.get("/admin/audit", headers=admin.headers)).json()[0],
        "UserWithSessions": (
            await world.api.get(
                f"/admin/users/{(await world.me(user)).json()['id']}", headers=admin.headers
            )
        ).json(),
    }

    assert {name: set(answer) for name, answer in got.items()} == {
        name: ANSWERS[name] for name in got
    }
    assert set(got["UserWithSessions"]["login_sessions"][0]) == ANSWERS["Session"]
