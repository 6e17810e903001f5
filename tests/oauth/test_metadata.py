"""What clients read before they call; every address is the issuer's, and none a request's."""

from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import Program, own_api
from tests.fixtures.world import OUR_API, World

from keyfob.settings import Settings

SERVER, RESOURCE = "oauth-authorization-server", "oauth-protected-resource"
OPENID = "openid-configuration"
ISSUERS = [
    # issuer, root path, and where its metadata are at the root of the host
    ("https://id.example.com/auth", "/auth", "/auth"),
    ("https://id.example.com/auth/", "/auth", "/auth"),
    ("https://id.example.com", "", ""),
    ("https://id.example.com/a/b", "/a/b", "/a/b"),
    ("https://id.example.com/behind", "", "/behind"),  # the proxy strips it
]


async def read(world: World, path: str, **headers: str) -> Any:
    answer = await world.api.get(path, headers=headers)
    assert answer.status_code == 200, path
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def test_it_tells_where_clients_get_tokens_and_how(world: World) -> None:
    issuer = own_api(world)

    told = await read(world, f"/.well-known/{SERVER}")

    assert told["issuer"] == issuer
    assert told["token_endpoint"] == f"{issuer}/oauth2/token"
    assert told["introspection_endpoint"] == f"{issuer}/oauth2/introspect"
    assert told["revocation_endpoint"] == f"{issuer}/oauth2/revoke"
    assert told["jwks_uri"] == f"{issuer}/.well-known/jwks.json"
    assert "client_credentials" in told["grant_types_supported"]
    for name in ("token", "introspection", "revocation"):
        methods = told[f"{name}_endpoint_auth_methods_supported"]
        assert {"client_secret_basic", "client_secret_post"} <= set(methods)
    assert "users:read" in told["scopes_supported"]


async def test_it_tells_apps_how_people_sign_in(world: World) -> None:
    issuer = own_api(world)

    told = await read(world, f"/.well-known/{OPENID}")

    assert told == await read(world, f"/.well-known/{SERVER}")
    expected = {
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "device_authorization_endpoint": f"{issuer}/oauth2/device",
        "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "prompt_values_supported": ["none", "login", "consent", "select_account", "create"],
        "acr_values_supported": ["aal1", "aal2"],
        "ui_locales_supported": ["en", "ru"],
        "request_parameter_supported": True,
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": True,
    }
    assert {name: told[name] for name in expected} == expected
    assert {"authorization_code", "refresh_token"} <= set(told["grant_types_supported"])
    assert {"openid", "profile", "email", "groups"} <= set(told["scopes_supported"])
    assert "none" in told["token_endpoint_auth_methods_supported"]
    assert "none" not in told["introspection_endpoint_auth_methods_supported"]


async def test_without_pages_it_is_no_provider_for_apps(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings.model_copy(update={"pages": False}), clock) as world:
        told = await read(world, f"/.well-known/{SERVER}")

        assert told["response_types_supported"] == []
        assert "authorization_endpoint" not in told
        assert "client_credentials" in told["grant_types_supported"]
        assert not {"authorization_code", "refresh_token"} & set(told["grant_types_supported"])


async def test_it_tells_whose_tokens_our_own_api_takes(world: World) -> None:
    issuer = own_api(world)

    told = await read(world, f"/.well-known/{RESOURCE}")

    assert (told["resource"], told["authorization_servers"]) == (issuer, [issuer])
    assert told["bearer_methods_supported"] == ["header"]
    assert "users:read" in told["scopes_supported"]


@pytest.mark.parametrize("name", [SERVER, OPENID, RESOURCE])
@pytest.mark.parametrize(("issuer", "root", "path"), ISSUERS)
async def test_each_place_has_the_same_bytes_whatever_host_is_asked(
    settings: Settings, clock: MovableClock, name: str, issuer: str, root: str, path: str
) -> None:
    given = {"issuer": issuer, "root_path": root}
    async with World(settings.model_copy(update=given), clock) as world:
        places = {
            f"/.well-known/{name}",
            f"{root}/.well-known/{name}",
            f"/.well-known/{name}{path}",
        }
        answers = [
            await world.api.get(place, headers={"Host": host, "X-Forwarded-Host": "evil.example"})
            for place in places
            for host in ("id.example.com", "evil.example")
        ]

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        told = answers[0].json()
        assert told["resource" if name == RESOURCE else "issuer"] == issuer
        assert "evil" not in answers[0].text
        for other in ("/other", "/auth/x", "//auth", "/AUTH", "/..%2fauth"):
            if other.strip("/") != path.strip("/"):
                answer = await world.api.get(f"/.well-known/{name}{other}")
                assert answer.status_code == 404, other


async def test_the_endpoints_that_it_names_are_there(
    settings: Settings, clock: MovableClock
) -> None:
    issuer = "https://id.example.com/auth"
    async with World(settings.model_copy(update={"issuer": issuer}), clock) as world:
        told = await read(world, f"/auth/.well-known/{SERVER}")
        for name in ("token", "introspection", "revocation"):
            path = told[f"{name}_endpoint"].removeprefix("https://id.example.com")
            assert (await world.api.post(path)).status_code == 401
        path = told["jwks_uri"].removeprefix("https://id.example.com")
        assert (await world.api.get(path)).status_code == 200


@pytest.mark.parametrize("origin", ["https://anybody.example", "null"])
async def test_a_page_of_any_origin_may_read_it(world: World, origin: str) -> None:
    names = [f"{name}{path}" for name in (SERVER, OPENID, RESOURCE) for path in ("", "/auth")]
    for name in (*names, "jwks.json"):
        answer = await world.api.get(f"/.well-known/{name}", headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"].startswith("public, max-age=")
        preflight = await world.api.options(
            f"/.well-known/{name}",
            headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
        )
        assert preflight.status_code == 204
        assert "access-control-allow-credentials" not in preflight.headers


async def test_each_401_of_our_api_names_it(world: World, program: Program) -> None:
    token = await program.get_token()  # of another resource
    for path in ("/me", "/me/sessions", "/admin/users"):
        answer = await world.api.get(path)
        assert answer.headers["www-authenticate"] == f"Bearer {OUR_API}"
        for wrong in ("x", token):
            answer = await world.api.get(path, headers={"Authorization": f"Bearer {wrong}"})
            challenge = f'Bearer error="invalid_token", {OUR_API}'
            assert answer.headers["www-authenticate"] == challenge


async def test_what_a_401_names_is_there(settings: Settings, clock: MovableClock) -> None:
    issuer = "https://id.example.com/auth"
    async with World(settings.model_copy(update={"issuer": issuer}), clock) as world:
        challenge = (await world.api.get("/me")).headers["www-authenticate"]
        url = challenge.removeprefix('Bearer resource_metadata="').removesuffix('"')
        assert url == f"https://id.example.com/.well-known/{RESOURCE}/auth"
        told = await read(world, url.removeprefix("https://id.example.com"))
        assert told["resource"] == issuer
