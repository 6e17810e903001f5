"""The clients and the names of modules, as the runner of the OpenID suite makes them."""

import httpx
import jwt
import pytest
from conformance.keys import make_key
from conformance.suite import Suite

from keyfob.clients.keys import read_registered


@pytest.mark.parametrize("algorithm", ["ES256", "PS256"])
def test_a_client_key_signs_and_its_public_part_is_one_that_may_be_registered(
    algorithm: str,
) -> None:
    key = make_key("client", algorithm)

    token = jwt.encode({}, jwt.PyJWK(key.private["keys"][0]).key, algorithm, {"kid": "client"})
    signed, _, signature = token.rpartition(".")
    (registered,) = read_registered(key.public)
    assert registered.kid == "client"
    assert registered.algorithms == {algorithm}
    assert registered.has_signed(
        algorithm, signed.encode("ascii"), jwt.utils.base64url_decode(signature)
    )


def test_a_module_is_told_from_others_by_what_not_all_of_the_plan_have() -> None:
    modules = [
        {"testModule": "sign-in", "variant": {"response_type": "code", "client_auth": "basic"}},
        {"testModule": "sign-in", "variant": {"response_type": "code", "client_auth": "post"}},
    ]
    made = httpx.MockTransport(lambda _: httpx.Response(201, json={"id": "1", "modules": modules}))
    suite = Suite("https://suite.example", httpx.Client(transport=made))

    _, found = suite.make_plan("plan", {}, {})

    assert [dict(one.own) for one in found] == [{"client_auth": "basic"}, {"client_auth": "post"}]
    assert found[0].variant == modules[0]["variant"]
