"""Requests have the form of RFC 6749, and so have refusals."""

from typing import Any

import httpx
import pytest
from tests.fixtures.logs import captured_log
from tests.fixtures.programs import ORDERS, Program
from tests.fixtures.world import World

from keyfob.oauth.token_endpoint import TokenEndpoint

FORM = "application/x-www-form-urlencoded"
GRANT = "grant_type=client_credentials"
PATHS = ["token", "introspect", "revoke"]


async def send(
    program: Program, body: str | bytes, path: str = "token", query: str = "", kind: str = FORM
) -> httpx.Response:
    return await program.world.api.post(
        f"/oauth2/{path}{query}", content=body, auth=program.basic, headers={"Content-Type": kind}
    )


def is_invalid_request(answer: httpx.Response) -> bool:
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"error", "error_description"}
    assert answer.json()["error"] == "invalid_request"
    return True


async def test_unknown_parameters_are_ignored_and_empty_ones_absent(program: Program) -> None:
    for more in ("&x=1", "&scope=", "&resource=", "&client_secret=", "&=", "&&", "&x"):
        assert (await send(program, GRANT + more)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        f"{GRANT}&{GRANT}",
        f"{GRANT}&scope=orders:read&scope=orders:read",
        f"{GRANT}&scope=&scope=orders:read",
        f"{GRANT}&x=1&x=2",
        f"{GRANT}&sc%6Fpe=a&scope=b",
    ],
)
async def test_a_parameter_that_stands_twice_is_refused(program: Program, body: str) -> None:
    assert is_invalid_request(await send(program, body))


async def test_resource_may_repeat(program: Program) -> None:
    body = f"{GRANT}&resource={ORDERS}&resource={ORDERS}&audience=a&audience=b"

    assert (await send(program, body)).status_code == 200


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"grant_type=%ff", b"grant_type=a%00b", b"scope=%0a", b"%0d=1"]
)
async def test_a_form_that_cannot_be_read_is_refused(program: Program, body: bytes) -> None:
    assert is_invalid_request(await send(program, body))


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""]
)
async def test_only_a_form_is_read(program: Program, kind: str) -> None:
    assert is_invalid_request(await send(program, GRANT, kind=kind))


async def test_a_charset_may_be_told(program: Program) -> None:
    for kind in (f"{FORM}; charset=UTF-8", FORM.upper()):
        assert (await send(program, GRANT, kind=kind)).status_code == 200


async def test_a_form_is_bounded(program: Program) -> None:
    assert is_invalid_request(await send(program, GRANT + "&a=b" * 200))
    assert is_invalid_request(await send(program, GRANT + "&" * 200))
    large = await send(program, GRANT + "&x=" + "a" * 70_000)
    assert (large.status_code, large.json()["error"]) == (413, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "name",
    [
        *("client_secret", "client_assertion", "code", "access_token", "refresh_token", "token"),
        *("password", "subject_token", "cl%69ent_secret", "%74oken"),
    ],
)
async def test_a_credential_in_the_query_is_refused_and_not_logged(
    program: Program, path: str, name: str
) -> None:
    with captured_log() as log:
        answer = await send(program, f"{GRANT}&token=x", path, f"?{name}=planted-secret")

    assert is_invalid_request(answer)
    assert "planted" not in log.getvalue() + answer.text


async def test_a_parameter_in_query_and_body_is_refused(program: Program) -> None:
    assert is_invalid_request(await send(program, GRANT, query=f"?{GRANT}"))
    assert is_invalid_request(await send(program, GRANT, query="?x=1&x=2"))
    assert (await send(program, GRANT, query="?utm=1")).status_code == 200


async def test_the_query_is_no_form(program: Program) -> None:
    for kind in (FORM, ""):
        assert is_invalid_request(await send(program, "", query=f"?{GRANT}", kind=kind))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused_in_the_form_of_oauth(world: World, method: str) -> None:
    answer = await world.api.request(method, "/oauth2/token")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"] == "invalid_request"


async def test_an_unknown_path_is_refused_in_the_form_of_oauth(world: World) -> None:
    for path in ("/oauth2/nothing", "/auth/oauth2/nothing/"):
        answer = await world.api.post(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "invalid_request")


async def test_with_and_without_the_root_path(program: Program) -> None:
    for path in ("/auth/oauth2/token", "/auth/oauth2/token/", "/oauth2/token/"):
        form = {"grant_type": "client_credentials"}
        answer = await program.world.api.post(path, data=form, auth=program.basic)
        assert answer.status_code == 200


async def test_where_the_database_is_away_clients_are_told_when_to_come_back(
    world: World, program: Program
) -> None:
    await world.db.close()
    answer = await program.ask_token()
    await world.db.open()

    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store"


async def test_a_fault_of_ours_tells_nothing(
    world: World, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(TokenEndpoint, "give", fail)
    answer = await program.ask_token()

    assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
    assert "planted" not in answer.text


async def test_what_is_sent_is_never_repeated(program: Program) -> None:
    for body in (f"{GRANT}&scope=planted", f"{GRANT}&resource=planted", "grant_type=planted"):
        assert "planted" not in (await send(program, body)).text
    for body in (f"{GRANT}&planted=1&planted=2",):
        assert "planted" not in (await send(program, body)).text


async def test_no_page_of_another_origin_reads_what_clients_are_given(
    settings: Any, clock: Any
) -> None:
    origin = "https://app.example.com"
    async with World(settings.model_copy(update={"cors_origins": [origin]}), clock) as world:
        for named in (origin, "https://evil.example", "null"):
            for method in ("POST", "OPTIONS"):
                headers = {"Origin": named, "Access-Control-Request-Method": "POST"}
                answer = await world.api.request(method, "/oauth2/token", headers=headers)
                assert "access-control-allow-origin" not in answer.headers
