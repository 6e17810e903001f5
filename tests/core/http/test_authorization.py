"""One Authorization header, no token in the query, on hot routes exactly as on the others."""

import pytest
from tests.fixtures.asgi import call_raw
from tests.fixtures.world import OUR_API, SignedIn, World

PATHS = ["/me", "/auth/me/", "/me/sessions", "/health/live", "/nothing"]


@pytest.fixture
async def user(world: World) -> SignedIn:
    await world.make_user()
    return await world.log_in()


@pytest.mark.parametrize("path", PATHS)
async def test_two_authorization_headers_are_refused(
    world: World, user: SignedIn, path: str
) -> None:
    bearer = (b"authorization", f"Bearer {user.access}".encode())
    for second in (bearer, (b"authorization", b"Basic eDp5"), (b"authorization", b"")):
        for headers in ([bearer, second], [second, bearer]):
            answer = await call_raw(world, "GET", path, headers=headers)
            assert (answer.status, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "query",
    [
        "access_token={}",
        "refresh_token={}",
        "token={}",
        "limit=1&access_token={}",
        "access_token=",
        "token=x&token=y",
    ],
)
async def test_a_token_in_the_query_is_refused(
    world: World, user: SignedIn, path: str, query: str
) -> None:
    answer = await world.api.get(f"{path}?{query.format(user.access)}", headers=user.headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert user.access not in answer.text


@pytest.mark.parametrize("query", ["my_token=x", "tokens=x", "a=token", "%74oken_type=x"])
async def test_what_only_sounds_like_a_token_passes(
    world: World, user: SignedIn, query: str
) -> None:
    assert (await world.api.get(f"/me?{query}", headers=user.headers)).status_code == 200


@pytest.mark.parametrize("path", ["/me", "/me/sessions"])
async def test_only_a_bearer_token_is_a_token(world: World, user: SignedIn, path: str) -> None:
    for given in (
        "",
        "Bearer",
        "Bearer ",
        "Basic " + user.access,
        user.access,
        f"Bearer {user.access} {user.access}",
        f"Bearer {user.access},",
        f"Bearer: {user.access}",
        f"Token {user.access}",
        "Bearer " + "x" * 20_000,
        "Bearer \x7f\u00e9",
    ):
        headers = [(b"authorization", given.encode("latin-1"))]
        answer = await call_raw(world, "GET", path, headers=headers)
        assert (answer.status, answer.json()["code"]) == (401, "invalid_token"), given[:30]
        challenge = f'Bearer error="invalid_token", {OUR_API}'
        assert answer.header(b"www-authenticate") == challenge.encode(), given[:30]


@pytest.mark.parametrize("path", ["/me", "/me/sessions"])
async def test_the_scheme_is_read_in_any_case(world: World, user: SignedIn, path: str) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = await world.api.get(path, headers={"Authorization": f"{scheme} {user.access}"})
        assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/me", "/me/sessions"])
async def test_without_a_token_no_error_code_is_told(world: World, path: str) -> None:
    answer = await world.api.get(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f"Bearer {OUR_API}"


@pytest.mark.parametrize("path", ["/me", "/me/sessions"])
async def test_a_cookie_authorises_nothing(world: World, user: SignedIn, path: str) -> None:
    cookie = f"access_token={user.access}; Authorization=Bearer {user.access}"

    assert (await world.api.get(path, headers={"Cookie": cookie})).status_code == 401
