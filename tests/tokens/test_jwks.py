"""`GET /.well-known/jwks.json`: the keys for other services."""

from tests.fixtures.hostile import header_of
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import World

from keyfob.tokens.keyring import Keyring


async def test_the_jwks_holds_the_public_halves_alone_and_comes_from_memory(world: World) -> None:
    await world.make_user()
    signed_in = await world.log_in()
    upcoming = await world.service(Keyring).rotate()

    with recorded_statements() as seen:
        answer = await world.api.get("/.well-known/jwks.json")

    assert seen == []
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    active, following = answer.json()["keys"]
    # RFC 7517 section 4 and RFC 8037 section 2, and nothing of the private half (`d`).
    assert set(active) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert (active["kty"], active["crv"], active["use"]) == ("OKP", "Ed25519", "sig")
    assert active["alg"] == "EdDSA"
    assert active["kid"] == header_of(signed_in.access)["kid"]
    assert following["kid"] == upcoming
