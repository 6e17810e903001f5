"""Signing in with a password."""

from tests.fixtures.world import PASSWORD, World


async def test_wrong_password_is_refused_and_logged(world: World) -> None:
    await world.make_user("ada@example.com")

    answer = await world.api.post(
        "/login", json={"email": "ada@example.com", "password": "wrong horse"}
    )

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_credentials"
    assert [(row["outcome"], row["reason"]) for row in await world.login_log()] == [
        ("refused", "wrong_password")
    ]


async def test_right_password_gives_tokens(world: World) -> None:
    user_id = await world.make_user("ada@example.com")

    answer = await world.api.post("/login", json={"email": "ADA@example.com", "password": PASSWORD})

    assert answer.status_code == 200
    assert set(answer.json()) == {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "session_id",
    }
    assert answer.headers["cache-control"] == "no-store"
    me = await world.api.get(
        "/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"}
    )
    assert me.json()["id"] == str(user_id)
