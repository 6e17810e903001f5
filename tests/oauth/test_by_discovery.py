"""An app that knows nothing but the issuer: discovery, code, ID token by the JWKS, `userinfo`."""

from urllib.parse import urlsplit

import jwt
import pytest
from tests.fixtures.apps import make_app
from tests.fixtures.hostile import header_of
from tests.fixtures.programs import own_api
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.clients.models import IdTokenAlgorithm


@pytest.mark.parametrize("algorithm", IdTokenAlgorithm)
async def test_an_app_learns_who_signed_in_from_the_documents_alone(
    world: World, algorithm: IdTokenAlgorithm
) -> None:
    user = await world.make_user(name="Ada")
    app = await make_app(world, id_token_alg=algorithm)
    issuer = own_api(world)
    path = f"{urlsplit(issuer).path}/.well-known/openid-configuration"
    told = (await world.api.get(path)).json()
    assert told["issuer"] == issuer

    async with signed_in(world) as browser:
        tokens = await app.tokens(browser, scope="openid profile email groups", nonce="abc")

    def path_of(name: str) -> str:
        return urlsplit(told[name]).path

    jwks = (await world.api.get(path_of("jwks_uri"))).json()
    assert algorithm in told["id_token_signing_alg_values_supported"]
    key = jwt.PyJWKSet.from_dict(jwks)[header_of(tokens["id_token"])["kid"]]
    identity = jwt.decode(
        tokens["id_token"],
        key,
        algorithms=[algorithm],
        audience=str(app.id),
        issuer=issuer,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (identity["sub"], identity["nonce"]) == (str(user), "abc")
    assert identity.keys() - {"jti", "at_hash"} <= set(told["claims_supported"])
    assert identity["acr"] in told["acr_values_supported"]

    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    person = (await world.api.get(path_of("userinfo_endpoint"), headers=bearer)).json()
    assert person["sub"] == identity["sub"]
    assert person.items() <= identity.items()
    assert person.keys() == {
        *("sub", "preferred_username", "name", "locale", "email", "email_verified", "groups")
    }
    assert (await world.api.get("/me", headers=bearer)).status_code == 401
