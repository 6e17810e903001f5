"""The OpenAPI document is complete, correct and readable."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import jsonschema_rs
import pytest
import schemathesis
from fastapi.routing import APIRoute
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, World

from keyfob.app import create_app
from keyfob.core.problems import Problem
from keyfob.limits.requests import Limited
from keyfob.settings import Settings

Schema = dict[str, Any]
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def schema() -> Schema:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # pydantic-settings' own parameter
        database_url="postgresql://nobody@localhost/none",
        secret_key="a secret key that only the tests know",
    )
    return create_app(settings).openapi()


def operations(schema: Schema) -> Iterator[tuple[str, Schema]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def refusals(schema: Schema) -> Iterator[tuple[str, str, Schema]]:
    for name, operation in operations(schema):
        for status, response in operation["responses"].items():
            if PROBLEM in response.get("content", {}):
                yield name, status, response["content"][PROBLEM]


def is_oauth(name: str) -> bool:
    return " /oauth2/" in name


def validator_of(schema: Schema, part: Schema) -> Any:
    """Return a validator that follows the document's own references."""
    return jsonschema_rs.validator_for({**part, "components": schema["components"]})


def is_limited(route: APIRoute) -> bool:
    return any(isinstance(one.dependency, Limited) for one in route.dependencies)


def test_it_is_valid_openapi(schema: Schema) -> None:
    assert schema["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(schema).validate()


def test_nothing_refers_to_what_is_not_there_and_nothing_is_unused(schema: Schema) -> None:
    components = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "headers")
        for name in schema["components"][kind]
    }

    assert set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(schema))) == components


def test_every_operation_says_what_it_is_for(schema: Schema) -> None:
    ids = [operation["operationId"] for _, operation in operations(schema)]

    assert len(ids) == len(set(ids))
    assert [one for one in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)*", one)] == []
    for name, operation in operations(schema):
        assert operation["summary"], name
        assert operation["description"], name
        assert len(operation["tags"]) >= 1, name


def test_every_refusal_is_described_with_an_example_of_each_code(schema: Schema) -> None:
    problem = validator_of(schema, schema["components"]["schemas"]["Problem"])

    for name, status, content in refusals(schema):
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, name
        assert content["examples"], name
        for code, example in content["examples"].items():
            problem.validate(example["value"])
            assert (example["value"]["code"], example["value"]["status"]) == (code, int(status))
            assert example["summary"] == example["value"]["title"]


def test_every_4xx_and_5xx_is_a_problem(schema: Schema) -> None:
    others = {
        (name, status)
        for name, operation in operations(schema)
        for status, response in operation["responses"].items()
        if status[0] in "45" and not is_oauth(name) and list(response["content"]) != [PROBLEM]
    }

    # Readiness answers with what is ready and what is not.
    assert others == {("GET /health/ready", "503")}


def test_refusals_of_oauth_have_its_form(schema: Schema) -> None:
    error = validator_of(schema, schema["components"]["schemas"]["OAuthError"])
    told = [
        (name, content)
        for name, operation in operations(schema)
        for status, response in operation["responses"].items()
        for kind, content in response.get("content", {}).items()
        if is_oauth(name) and status[0] in "45" and kind == "application/json"
    ]

    assert len(told) >= 6
    for name, content in told:
        assert content["schema"] == {"$ref": "#/components/schemas/OAuthError"}, name
        for example in content["examples"].values():
            error.validate(example["value"])


def test_only_known_codes_are_told(schema: Schema) -> None:
    known = {Problem.code}
    open_ends: list[type[Problem]] = [Problem]
    while open_ends:
        below = open_ends.pop().__subclasses__()
        known |= {kind.code for kind in below}
        open_ends += below

    told = {code for _, _, content in refusals(schema) for code in content["examples"]}
    assert told <= known


def test_every_limited_route_tells_429_and_no_other_does(schema: Schema, world: World) -> None:
    limited = {
        f"{method} {route.path_format}"
        for route in world.app.router.routes
        if isinstance(route, APIRoute) and is_limited(route) and route.include_in_schema
        for method in route.methods
    }
    told = {name for name, operation in operations(schema) if "429" in operation["responses"]}

    # These count in memory, by session, by client and by the key of a bound token.
    assert told == limited | {"POST /refresh", "GET /me", *filter(is_oauth, told)}
    assert len(limited) > 40


async def test_every_limited_route_gives_429_with_its_headers(
    schema: Schema, settings: Settings, clock: MovableClock
) -> None:
    once = {name: "1/hour" for name in Settings.model_fields if name.startswith("limit_")}
    del once["limit_store"]
    shared = {"limit_admin": "2/hour", "limit_me_address": "99/hour"}
    tight = settings.model_copy(update={**once, **shared, "limits": "on"})
    async with World(tight, clock) as world:
        await world.make_user()
        refused = set()
        user = await world.log_in()
        ids = dict.fromkeys(("id", "secret", "client_id"), user.session_id) | {"name": "support"}
        for name, operation in operations(schema):
            method, path = name.split()
            if "429" not in operation["responses"] or is_oauth(name):
                continue
            if name == "GET /me":  # bound tokens alone are counted there
                continue
            body = {"token": user.refresh} if path == "/refresh" else None
            for _ in range(3):
                answer = await world.api.request(
                    method, path.format(**ids), json=body, headers=user.headers
                )
                if answer.status_code == 200 and path == "/refresh":
                    body = {"token": answer.json()["refresh_token"]}
            assert answer.status_code == 429, name
            assert answer.json()["code"] == "too_many_requests", name
            assert 1 <= int(answer.headers["retry-after"]) <= 3600, name
            own, *_ = answer.headers["ratelimit-policy"].split(", ")
            assert re.fullmatch(r'"[a-z-]+";q=\d+;w=3600', own), name
            own, *_ = answer.headers["ratelimit"].split(", ")
            assert re.fullmatch(r'"[a-z-]+";r=0;t=\d+', own), name
            refused.add(name)
        assert len(refused) > 40


def test_examples_fit_their_own_schemas(schema: Schema) -> None:
    for name, part in schema["components"]["schemas"].items():
        for example in part.get("examples", ()):
            assert validator_of(schema, part).is_valid(example), name
        for field, inner in part.get("properties", {}).items():
            for example in inner.get("examples", ()):
                assert validator_of(schema, inner).is_valid(example), (name, field)


async def test_the_examples_of_a_first_session_work(schema: Schema, world: World) -> None:
    body = {
        field: part["examples"][0]
        for field, part in schema["components"]["schemas"]["RegisterIn"]["properties"].items()
        if "examples" in part
    }
    body["password"] = PASSWORD  # an example of a password is a password that everybody knows

    assert (await world.api.post("/register", json=body)).status_code == 201


def test_every_object_that_is_sent_is_closed(schema: Schema) -> None:
    for name, operation in operations(schema):
        if "requestBody" not in operation or is_oauth(name):
            continue
        part = operation["requestBody"]["content"]["application/json"]["schema"]
        for option in part.get("anyOf", [part]):
            named = option.get("$ref", "").rpartition("/")[2]
            sent = schema["components"]["schemas"][named] if named else option
            assert sent.get("type") == "null" or sent["additionalProperties"] is False, name


def test_every_text_that_is_sent_refuses_control_characters(schema: Schema) -> None:
    open_texts = [
        (name, field)
        for name, part in sent_parts(schema)
        for field, inner in part.items()
        for option in inner.get("anyOf", [inner])
        if option.get("type") == "string" and not {"enum", "format", "anyOf"} & set(option)
        if "pattern" not in option
    ]

    assert {field for _, field in open_texts} <= {"cursor", "after"}  # which only we can make


def sent_parts(schema: Schema) -> Iterator[tuple[str, Schema]]:
    for name, operation in operations(schema):
        yield name, {one["name"]: one["schema"] for one in operation.get("parameters", ())}
    for name in ("RegisterIn", "PasswordLogin", "LogOutIn", "UserCreate", "UserChange"):
        yield name, schema["components"]["schemas"][name]["properties"]
    refresh = schema["paths"]["/refresh"]["post"]["requestBody"]["content"]["application/json"]
    yield "RefreshIn", refresh["schema"]["properties"]


def test_one_scheme_authorises_callers_one_clients_and_one_apps(schema: Schema) -> None:
    assert schema["components"]["securitySchemes"] == {
        "app": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of an app, for this address",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of /login",
        },
        "client": {
            "type": "http",
            "scheme": "basic",
            "description": "A client's id and secret; or both in the form, as it is registered",
        },
    }


async def test_it_is_served_below_the_root_path_and_made_once(world: World) -> None:
    answers = [await world.api.get(path) for path in ("/openapi.json", "/auth/openapi.json")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["content-type"] == "application/json"
    assert answers[0].json()["servers"] == [{"url": "/auth"}]
    assert world.app.openapi() is world.app.openapi()


async def test_it_can_be_switched_off(settings: Settings, clock: MovableClock) -> None:
    async with World(settings.model_copy(update={"openapi": False}), clock) as world:
        assert (await world.api.get("/openapi.json")).status_code == 404
        assert (await world.api.get("/")).json()["openapi"] is None


def test_without_a_root_path_the_server_is_the_root(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"root_path": ""}))

    assert app.openapi()["servers"] == [{"url": "/"}]


# The types of answers in the package for Python: a field that is added here is added there, too.
RESULTS_FILE = Path(__file__).parents[1] / "sdk/python/src/keyfob_client/api/results.py"
OTHER_NAMES = {
    "ApiKey": "KeyOut",
    "BegunTotp": "BegunTotp",
    "NewApiKey": "NewKeyOut",
    "Party": "PartyOut",
    "PermittingRole": "RoleThatPermits",
    "PlannedErasure": "ErasurePlannedOut",
    "UserWithSessions": "UserWithSessions",
}
# What others share, and no answer by itself.
PARTS = {"Device"}
# A report comes line by line, which no schema can say; the package puts it together.
OF_LINES = {"BulkLine", "BulkReport"}
PLAIN = {"string": "str", "integer": "int", "boolean": "bool", "object": "dict"}


def load_results() -> ModuleType:
    """Load the module alone: what the package stands on need not be installed."""
    spec = importlib.util.spec_from_file_location("results", RESULTS_FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def schema_name(result: str) -> str:
    return OTHER_NAMES.get(result, f"{result}Out")


def type_of_hint(hint: Any) -> str:
    if isinstance(hint, UnionType):
        return "|".join(sorted(map(type_of_hint, get_args(hint))))
    if get_origin(hint) is list:
        return f"[{type_of_hint(get_args(hint)[0])}]"
    if hint is NoneType:
        return "null"
    return schema_name(hint.__name__) if is_typeddict(hint) else hint.__name__


def type_of_schema(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return "|".join(sorted(map(type_of_schema, schema["anyOf"])))
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "properties" in schema:  # a component in place of its reference
        kinds = [schema["title"] if kind == "object" else kind for kind in kinds]
    return "|".join(
        sorted(
            f"[{type_of_schema(schema['items'])}]" if kind == "array" else PLAIN.get(kind, kind)
            for kind in kinds
        )
    )


SDK_RESULTS = load_results()


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, kind in vars(SDK_RESULTS).items()
        if is_typeddict(kind) and name not in PARTS | OF_LINES
    ),
)
def test_each_type_of_the_sdk_has_the_fields_of_its_answer(schema: Schema, name: str) -> None:
    hints = get_type_hints(getattr(SDK_RESULTS, name))
    fields = properties_of(schema, schema_name(name))

    assert {field: type_of_hint(hint) for field, hint in hints.items()} == {
        field: type_of_schema(of) for field, of in fields.items()
    }


def properties_of(schema: Schema, name: str) -> Schema:
    """Return the properties of a component, or of what stands in the place of its reference."""
    schemas = schema["components"]["schemas"]
    parts = [part for one in schemas.values() for part in one.get("properties", {}).values()]
    properties: Schema = next(
        one["properties"] for one in [*schemas.values(), *parts] if one.get("title") == name
    )
    return properties


def test_the_sdk_knows_every_word_of_a_report_by_lines(schema: Schema) -> None:
    path = schema["paths"]["/admin/users/bulk"]["post"]
    undo = schema["paths"]["/admin/users/bulk/undo"]["post"]
    told = path["responses"]["200"]["description"] + undo["description"]

    known = {field for name in OF_LINES for field in get_type_hints(getattr(SDK_RESULTS, name))}
    assert known - {"lines"} == set(re.findall(r"`(\w+)`", told))
