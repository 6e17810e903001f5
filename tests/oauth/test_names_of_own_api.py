"""Our own API has two names, and no resource is found by either: the issuer, and the audience."""

import pytest
from tests.fixtures.programs import Program, make_program, make_resource
from tests.fixtures.world import SignedIn, World
from tests.oauth.test_token_exchange import exchange

from keyfob.clients.models import Grant
from keyfob.clients.resources import Resources
from keyfob.settings import Settings

API = "https://api.example.com"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"audience": API})


@pytest.fixture
async def admin(world: World) -> SignedIn:
    return await world.make_admin()


@pytest.fixture
async def shadow(world: World) -> Program:
    """A client of a resource that was registered before `KEYFOB_AUDIENCE` named it."""
    await make_resource(world, API, ["orders:read", "account"])
    await world.service(Resources).load()
    grants = [Grant.CLIENT_CREDENTIALS, Grant.TOKEN_EXCHANGE]
    return await make_program(world, grants=grants, scope=["orders:read"], resources=[API])


@pytest.mark.parametrize("name", ["issuer", "audience"])
async def test_nobody_registers_a_name_of_our_own_api(
    world: World, admin: SignedIn, settings: Settings, name: str
) -> None:
    identifier = settings.issuer_url if name == "issuer" else API
    asked = {"identifier": identifier, "name": "API", "scopes": {"orders:read": {}}}

    answer = await world.api.post("/admin/resources", json=asked, headers=admin.headers)

    assert (answer.status_code, answer.json()["code"]) == (409, "resource_taken")


async def test_one_from_before_gets_no_token_and_is_told_of_none(
    world: World, admin: SignedIn, shadow: Program
) -> None:
    """Threat: services that trust our sign-ins believe its tokens, and it ends everybody's."""
    own = await shadow.ask_token()
    by_sign_in = await exchange(shadow, admin.access, resource=API)
    told = [await shadow.introspect(token) for token in (admin.access, admin.refresh)]
    await shadow.revoke(admin.access)

    assert (own.status_code, own.json()["error"]) == (400, "invalid_target")
    assert by_sign_in.status_code == 400
    assert told == [{"active": False}] * 2
    assert (await world.me(admin)).status_code == 200
