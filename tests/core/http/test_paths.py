"""All routes are served with the root path and without it; links stay on this service."""

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.settings import Settings

PAIRS = [
    ("GET", "/health/live", 200),
    ("GET", "/me", 401),
    ("POST", "/refresh", 422),
    ("POST", "/login", 422),
    ("GET", "/admin/users", 401),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/.well-known/jwks.json", 200),
]


@pytest.mark.parametrize("spelling", ["{}", "/auth{}", "{}/", "/auth{}/"])
async def test_a_path_is_served_in_each_spelling(world: World, spelling: str) -> None:
    answers = [
        (await world.api.request(method, spelling.format(path))).status_code
        for method, path, _ in PAIRS
    ]

    assert answers == [status for _, _, status in PAIRS]


@pytest.mark.parametrize("path", ["/", "/auth", "/auth/"])
async def test_the_root_is_served_in_each_spelling(world: World, path: str) -> None:
    answer = await world.api.get(path)

    assert answer.json() == {
        "name": "Keyfob",
        "version": answer.json()["version"],
        "docs": "/auth/docs",
        "openapi": "/auth/openapi.json",
        "jwks": "/auth/.well-known/jwks.json",
    }


@pytest.mark.parametrize(
    "path", ["/authx/me", "/auth/auth/me", "/AUTH/me", "//me", "/auth//me", "/me/x", "/Me"]
)
async def test_what_only_looks_like_a_path_is_none(world: World, path: str) -> None:
    answer = await world.api.get(f"http://keyfob.test{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_without_a_root_path_the_prefix_means_nothing(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings.model_copy(update={"root_path": ""}), clock) as world:
        assert (await world.api.get("/health/live/")).status_code == 200
        assert (await world.api.get("/auth/health/live")).status_code == 404
        assert (await world.api.get("/")).json()["docs"] == "/docs"


@pytest.mark.parametrize("prefix", ["", "/auth"])
async def test_links_work_where_a_proxy_strips_the_prefix(world: World, prefix: str) -> None:
    admin = await world.make_admin()

    page = await world.api.get(f"{prefix}/admin/users/?limit=1&role=admin", headers=admin.headers)
    assert "link" not in page.headers

    await world.make_user()
    page = await world.api.get(f"{prefix}/admin/users/?limit=1&sort=email", headers=admin.headers)
    created = await world.api.post(
        f"{prefix}/admin/users",
        json={"email": "b@example.com", "password": "correct horse battery"},
        headers=admin.headers,
    )

    assert page.headers["link"].startswith("</auth/admin/users?limit=1&sort=email&cursor=")
    assert created.headers["location"] == f"/auth/admin/users/{created.json()['id']}"
    following = await world.api.get(page.links["next"]["url"], headers=admin.headers)
    assert [user["email"] for user in following.json()] == ["b@example.com"]
