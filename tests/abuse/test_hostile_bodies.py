"""Lines 7 and 9 of the abuse list: bodies that are too large, or not what was asked for."""

from collections.abc import AsyncIterator
from itertools import product

import pytest
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import PASSWORD, World

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"


async def drip(body: bytes) -> AsyncIterator[bytes]:
    """Send a body without telling its length."""
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


@pytest.mark.parametrize("path", ["/login", "/register"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_07_a_password_of_a_megabyte_is_refused_before_any_work(
    world: World, path: str, chunked: bool
) -> None:
    await world.make_user(ADA)
    body = b'{"email": "ada@example.com", "password": "%s"}' % (b"x" * 1_000_000)

    with recorded_statements() as statements, recorded_hashes() as hashes:
        answer = await world.api.post(
            path,
            content=drip(body) if chunked else body,
            headers={"content-type": "application/json"},
        )

    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"
    assert (statements, hashes) == ([], [])


@pytest.mark.parametrize("length", [4097, 60_000])
async def test_07_a_password_that_only_just_fits_into_a_body_costs_no_hash(
    world: World, length: int
) -> None:
    admin = await world.make_admin()
    body = {"email": "new@example.com", "password": "x" * length}

    with recorded_hashes() as hashes:
        answers = [
            await world.api.post("/login", json=body),
            await world.api.post("/register", json=body),
            await world.api.post("/admin/users", json=body, headers=admin.headers),
        ]

    assert [answer.status_code for answer in answers] == [422] * 3
    assert hashes == []


NOT_A_TEXT = ["null", "true", "0", "-1.5", "1e400", "[]", '["a"]', "{}", '{"$ne": null}']
NOT_MEANT = [r'"planted\u0000text"', r'"\ud800planted"', r'"planted\udfff"', r'"\u001bplanted"']
FIELDS = {
    ("POST", "/register"): ["email", "password", "name"],
    ("POST", "/login"): ["email", "password"],
    ("POST", "/refresh"): ["token"],
    ("DELETE", "/logout"): ["token"],
    ("POST", "/admin/users"): ["email", "password", "name", "role", "status"],
    ("PATCH", "/admin/users/{id}"): ["email", "name", "role", "status"],
    ("PUT", "/admin/users/{id}"): ["email", "name", "role", "status"],
}
MAY_BE_NULL = {"name"}


@pytest.mark.parametrize(("method", "path"), list(FIELDS))
async def test_09_nul_lone_surrogates_and_wrong_types_are_422(
    world: World, method: str, path: str
) -> None:
    admin = await world.make_admin()
    url = path.replace("{id}", str(await world.make_user(ADA)))
    whole = {"email": '"new@example.com"', "password": f'"{PASSWORD}"'}
    for field, value in product(FIELDS[method, path], NOT_A_TEXT + NOT_MEANT):
        if value == "null" and field in MAY_BE_NULL:
            continue
        others = {name: text for name, text in whole.items() if name in FIELDS[method, path]}
        pairs = {**others, field: value}.items()
        answer = await world.api.request(
            method,
            url,
            content="{" + ", ".join(f'"{name}": {text}' for name, text in pairs) + "}",
            headers={**admin.headers, "content-type": "application/json"},
        )

        assert answer.status_code == 422, (field, value)
        assert answer.headers["content-type"] == "application/problem+json"
        pointers = {error["pointer"] for error in answer.json()["errors"]}
        assert pointers == {f"/body/{field}"}, (field, value)
        assert "planted" not in answer.text
    assert await world.db.fetchval("SELECT count(*) FROM users") == 2


NO_OBJECTS = [
    b"null",
    b"true",
    b"1",
    b'"text"',
    b"[]",
    b'[{"email": 1}]',
    b"{}",
    b'{"": ""}',
    b"",
]


async def test_09_a_body_that_is_no_object_is_422(world: World) -> None:
    for body in NO_OBJECTS:
        for path in ("/register", "/login", "/refresh"):
            answer = await world.api.post(
                path, content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 422, (path, body)


NO_JSON = [b"\xff\xfe", b"{", b"{'a': 1}", b"\x00", b'{"a": NaN}', b"nul"]


async def test_09_a_body_that_is_no_json_is_400(world: World) -> None:
    for body in NO_JSON:
        for path in ("/register", "/login", "/refresh"):
            answer = await world.api.post(
                path, content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 400, (path, body)


async def test_09_nul_and_nonsense_in_queries_and_paths_are_4xx(world: World) -> None:
    admin = await world.make_admin()
    known = str(await world.make_user(ADA))
    for text in ("\x00", "a\x00b", "\x1b[2J", "\x85"):
        for path, name in (
            ("/admin/users", "search"),
            ("/admin/users", "cursor"),
            ("/admin/users", "role"),
            ("/admin/audit", "action"),
            ("/admin/audit", "actor_id"),
            ("/admin/logins", "ip_address"),
            ("/admin/logins", "outcome"),
            (f"/admin/users/{known}/logins", "since"),
            ("/me/logins", "cursor"),
        ):
            answer = await world.api.get(path, params={name: text}, headers=admin.headers)
            assert 400 <= answer.status_code < 500, (path, name, text)
        answer = await world.api.get(f"/admin/users/{text!r}", headers=admin.headers)
        assert answer.status_code == 422
