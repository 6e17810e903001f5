"""Bodies are read strictly and within bounds, on hot routes exactly as on the others."""

import json
from collections.abc import Sequence

import pytest
from tests.fixtures.asgi import RawAnswer, call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.settings import Settings

LIMIT = 65_536
JSON = (b"content-type", b"application/json")
CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.fixture(params=["/refresh", "/login", "/register", "/auth/refresh/"])
def path(request: pytest.FixtureRequest) -> str:
    """A hot route or a normal one."""
    path: str = request.param
    return path


async def post(world: World, path: str, body: bytes, kind: str = "application/json") -> RawAnswer:
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", kind.encode())]
    return await call_raw(world, "POST", path, headers=headers, pieces=[body])


LENGTHS = [b"65537", b"9" * 15, b"9" * 16, b"9" * 5000, b"-1", b"+1", b"1e3", b"0x1", b"", b" "]


async def test_a_length_beyond_the_limit_or_none_at_all_is_refused_unread(
    world: World, path: str
) -> None:
    for length in LENGTHS:
        headers = [JSON, (b"content-length", length)]
        answer = await call_raw(world, "POST", path, headers=headers, pieces=[b"x" * 70_000])
        assert (answer.status, answer.json()["code"]) == (413, "body_too_large"), length[:9]
        assert answer.header(b"connection") == b"close"
        assert answer.pieces_read == 0


async def test_a_body_without_a_length_is_read_up_to_the_limit(world: World, path: str) -> None:
    pieces = [b" " * 16_384] * 20

    answer = await call_raw(world, "POST", path, headers=[JSON, CHUNKED], pieces=pieces)

    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")
    assert answer.pieces_read == 5


async def test_a_body_that_just_fits_is_read(world: World, path: str) -> None:
    body = b"{" + b" " * (LIMIT - 2) + b"}"

    whole = await post(world, path, body)
    chunked = await call_raw(
        world, "POST", path, headers=[JSON, CHUNKED], pieces=[body[:40_000], body[40_000:]]
    )

    assert (whole.status, chunked.status) == (422, 422)


@pytest.mark.parametrize("path", ["/me", "/auth/me", "/health/live", "/logout-all", "/nothing"])
async def test_the_limit_holds_where_no_body_is_expected(world: World, path: str) -> None:
    headers = [(b"content-length", b"65537")]

    answer = await call_raw(world, "GET", path, headers=headers, pieces=[b"x" * 65_537])

    assert answer.status == 413
    assert answer.pieces_read == 0


async def test_the_limit_can_be_set(settings: Settings, clock: MovableClock, path: str) -> None:
    async with World(settings.model_copy(update={"max_body_bytes": 1024}), clock) as world:
        assert (await post(world, path, b" " * 1025)).status == 413
        assert (await post(world, path, b"{" + b" " * 1022 + b"}")).status == 422


async def test_a_client_that_leaves_in_the_middle_is_no_fault(world: World, path: str) -> None:
    answer = await call_raw(
        world,
        "POST",
        path,
        headers=[JSON, (b"content-length", b"100")],
        pieces=[b'{"email": '],
        leaves=True,
        whole=False,
    )

    assert answer.status == 400


NOT_JSON = [
    "",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json, text/plain",
    "application/jsonp",
    "json",
]


async def test_a_body_that_is_not_declared_as_json_is_refused(world: World, path: str) -> None:
    for kind in NOT_JSON:
        answer = await post(world, path, b'{"token": "x"}', kind)
        assert (answer.status, answer.json()["code"]) == (415, "unsupported_media_type"), kind


@pytest.mark.parametrize(
    "kind", ["application/json", "APPLICATION/JSON;charset=utf-8", "application/vnd.api+json"]
)
async def test_json_may_be_declared_in_its_own_ways(world: World, path: str, kind: str) -> None:
    assert (await post(world, path, b"{}", kind)).status == 422


NOT_STRICT = [
    b"{",
    b"nope",
    b"{'token': 'x'}",
    b'{"token": "x",}',
    b'{"token": "x"} {}',
    b'{"token": "x", "token": "y"}',
    b'{"email": {"a": 1, "a": 2}}',
    b'{"token": "x", "\\u0074oken": "y"}',
    b'{"token": NaN}',
    b'{"token": Infinity}',
    b'{"token": -Infinity}',
    b'{"token": ' + b"9" * 5000 + b"}",
    b"[" * 60_000,
    b"[" * 21 + b"]" * 21,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"token": "\n"}',
    b'{"token": "\x00"}',
    b'\xef\xbb\xbf{"token": "x"}',
    b'{"token": "\xff"}',
    b'{"token": "\xed\xa0\x80"}',
    '{"token": "x"}'.encode("utf-16"),
    '{"token": "x"}'.encode("utf-32-le"),
    b"\x1f\x8b\x08\x00",
]


async def test_what_is_not_strict_json_is_refused(world: World, path: str) -> None:
    for body in NOT_STRICT:
        answer = await post(world, path, body)
        assert (answer.status, answer.json()["code"]) == (400, "bad_request"), body[:40]


MANY = [
    json.dumps({f"k{number}": 0 for number in range(5000)}),
    json.dumps([0] * 201),
    json.dumps({"token": [[0]] * 100}),
    json.dumps([{}] * 200),
    "{" + '"a": [], ' * 100 + '"b": 1}',
]


async def test_more_values_than_any_body_has_are_one_error(world: World, path: str) -> None:
    for body in MANY:
        answer = await post(world, path, body.encode())
        assert answer.status == 422, body[:40]
        assert answer.json()["errors"] == [
            {"pointer": "/body", "detail": "There are more than 200 values"}
        ]


async def test_commas_and_braces_in_a_text_are_no_values(world: World, path: str) -> None:
    answer = await post(world, path, json.dumps({"other": ',[{\\"' * 500}).encode())

    assert answer.status == 422
    assert "values" not in answer.body.decode()


async def test_what_is_no_object_is_refused_alike(world: World, path: str) -> None:
    for body in [b"", b"null", b"[]", b'"x"', b"1", b"true", b"[[[[[[1]]]]]]"]:
        answer = await post(world, path, body)
        assert answer.status == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/body"]
        assert "RefreshIn" not in answer.body.decode()


VALUES: Sequence[object] = [None, 1, 1.5, 1e300, True, [], {}, ["x"], {"x": "y"}, "", "x" * 5000]


async def test_a_wrong_type_is_refused(world: World, path: str) -> None:
    for value in VALUES:
        body = {"token": value} if path.endswith(("refresh", "refresh/")) else {"password": value}
        answer = await post(world, path, json.dumps(body).encode())
        pointers = {error["pointer"] for error in answer.json()["errors"]}
        assert answer.status == 422
        assert pointers & {"/body/token", "/body/refresh_token", "/body/password"}


@pytest.mark.parametrize("text", ["[" * 60, '\\"[{' * 30, "{" * 5 + "\\" * 3 + "[" * 40])
async def test_braces_in_a_text_are_no_depth(world: World, path: str, text: str) -> None:
    assert (await post(world, path, json.dumps({"other": text}).encode())).status == 422


async def test_a_refresh_token_has_one_name_at_a_time(world: World) -> None:
    await world.make_user()
    user = await world.log_in()

    both = await world.api.post(
        "/refresh", json={"token": user.refresh, "refresh_token": user.refresh}
    )
    alias = await world.api.post("/refresh", json={"refresh_token": user.refresh})

    assert both.status_code == 422
    assert alias.status_code == 200
