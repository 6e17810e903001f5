"""A client of the profile `fapi2` has all that FAPI 2.0 asks for, and loses none of it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import CALLBACK, CHALLENGE, VERIFIER, allowed, answer_of
from tests.fixtures.assertions import JWT_BEARER, Signer, public_jwk
from tests.fixtures.holder import TOKEN, Holder
from tests.fixtures.programs import Program, own_api
from tests.fixtures.world import SignedIn, World
from tests.web.account_pages import signed_in

KEYS = {"keys": [public_jwk("ES256", "one"), public_jwk("PS256", "two")]}
ASKED = {"name": "Bank", "kind": "web", "redirect_uris": [CALLBACK], "jwks": KEYS}
SET = {
    "auth_method": "private_key_jwt",
    "require_par": True,
    "require_pkce": True,
    "dpop_bound": True,
    "rotate_refresh": False,
    "id_token_alg": "ES256",
}


@pytest.fixture
async def root(world: World) -> SignedIn:
    return await world.make_admin()


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user()
    async with signed_in(world) as browser:
        yield browser


async def register(world: World, root: SignedIn, **more: Any) -> httpx.Response:
    body = {**ASKED, "profile": "fapi2", **more}
    kept = {name: value for name, value in body.items() if value is not None}
    return await world.api.post("/admin/clients", json=kept, headers=root.headers)


async def change(world: World, root: SignedIn, client_id: str, **fields: Any) -> httpx.Response:
    path = f"/admin/clients/{client_id}"
    return await world.api.patch(path, json=fields, headers=root.headers)


def assert_unfit(answer: httpx.Response, *fields: str) -> None:
    assert answer.status_code == 422, answer.text
    pointers = [one["pointer"].rpartition("/")[2] for one in answer.json()["errors"]]
    assert set(pointers) <= {*fields, "body"}, pointers


async def test_one_field_sets_all_that_it_asks_for(world: World, root: SignedIn) -> None:
    made = (await register(world, root)).json()
    other = (await register(world, root, id_token_alg="EdDSA")).json()
    service = (
        await register(world, root, kind="service", redirect_uris=None, name="Nightly")
    ).json()

    assert {name: made[name] for name in SET} == SET
    assert made["profile"] == "fapi2"
    assert other["id_token_alg"] == "EdDSA"
    assert (service["auth_method"], service["dpop_bound"]) == ("private_key_jwt", True)
    assert service["require_par"] is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"auth_method": "client_secret_basic"},
        {"require_par": False},
        {"require_pkce": False},
        {"dpop_bound": False},
        {"rotate_refresh": True},
        {"id_token_alg": "RS256"},
        {"redirect_uris": ["http://localhost/callback"]},
        {"grants": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]},
        {"kind": "native", "jwks": None},
        {"kind": "browser", "jwks": None},
        {"jwks": None},
    ],
)
async def test_what_does_not_fit_it_is_refused(
    world: World, root: SignedIn, wrong: dict[str, Any]
) -> None:
    answer = await register(world, root, **wrong)

    assert_unfit(answer, *wrong, "auth_method")


async def test_it_is_put_on_a_client_and_taken_off_again(world: World, root: SignedIn) -> None:
    plain = {**ASKED, "jwks": None}
    made = (await register(world, root, **plain, profile=None)).json()

    bare = await change(world, root, made["id"], profile="fapi2")
    put = await change(
        world, root, made["id"], profile="fapi2", auth_method="private_key_jwt", jwks=KEYS
    )
    held = [
        await change(world, root, made["id"], **{name: value})
        for name, value in (("rotate_refresh", True), ("dpop_bound", False), ("require_par", False))
    ]
    off = await change(world, root, made["id"], profile=None, rotate_refresh=True)
    done = (await world.audit_log())[-2]

    assert_unfit(bare, "jwks", "auth_method")
    assert {name: put.json()[name] for name in SET} == SET
    assert [answer.status_code for answer in held] == [422, 422, 422]
    assert (off.json()["profile"], off.json()["rotate_refresh"]) == (None, True)
    assert (done["old_values"]["profile"], done["new_values"]["profile"]) == (None, "fapi2")


class TestFlow:
    """A client of the profile, over HTTP."""

    @pytest.fixture
    async def client_id(self, world: World, root: SignedIn) -> str:
        made = (await register(world, root)).json()
        return str(made["id"])

    @pytest.fixture
    def signer(self, world: World, client_id: str) -> Signer:
        return Signer(Program(world, UUID(client_id), ""), "ES256")

    def asked(self, signer: Signer, **more: str) -> dict[str, str]:
        return {
            "response_type": "code",
            "client_id": str(signer.program.id),
            "redirect_uri": CALLBACK,
            "scope": "openid offline_access",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **more,
        }

    def proven(self, signer: Signer, **header: Any) -> dict[str, str]:
        return {
            "client_assertion_type": JWT_BEARER,
            "client_assertion": signer.sign(header or None),
        }

    async def test_gets_its_tokens_by_all_of_it(
        self, world: World, browser: httpx.AsyncClient, signer: Signer, holder: Holder
    ) -> None:
        pushed = await world.api.post(
            "/oauth2/par", data={**self.asked(signer), **self.proven(signer)}
        )
        brought = {
            "client_id": str(signer.program.id),
            "request_uri": pushed.json()["request_uri"],
        }
        answer = await allowed(browser, await browser.get("/oauth2/authorize", params=brought))
        code = {
            "grant_type": "authorization_code",
            "code": answer_of(answer)["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }

        bare = await world.api.post(TOKEN, data={**code, **self.proven(signer)})
        tokens = (await holder.ask({**code, **self.proven(signer)})).json()
        kept = tokens["refresh_token"]
        again = {"grant_type": "refresh_token", "refresh_token": kept}
        refreshed = [(await holder.ask({**again, **self.proven(signer)})).json() for _ in range(2)]

        assert (bare.status_code, bare.json()["error"]) == (400, "invalid_dpop_proof")
        assert tokens["token_type"] == "DPoP"
        assert [one["refresh_token"] for one in refreshed] == [kept, kept]

    async def test_is_sent_on_by_no_link(self, browser: httpx.AsyncClient, signer: Signer) -> None:
        answer = await browser.get("/oauth2/authorize", params=self.asked(signer))

        assert answer_of(answer)["error"] == "invalid_request"

    async def test_signs_with_no_algorithm_that_fapi_leaves_out(
        self, world: World, signer: Signer
    ) -> None:
        """An RSA key signs both RS256 and PS256."""
        answers = {}
        for algorithm in ("RS256", "PS256"):
            signer.algorithm = algorithm
            proof = self.proven(signer, kid="two")
            pushed = await world.api.post("/oauth2/par", data={**self.asked(signer), **proof})
            answers[algorithm] = pushed.status_code

            request = signer.sign({"kid": "two"}, **self.asked(signer))
            signer.algorithm = "ES256"
            signed = {
                "client_id": str(signer.program.id),
                "request": request,
                **self.proven(signer),
            }
            signed_answer = await world.api.post("/oauth2/par", data=signed)
            answers[f"{algorithm} request"] = signed_answer.json().get("error")

        assert own_api(world)
        assert (answers["RS256"], answers["PS256"]) == (401, 201)
        assert answers["RS256 request"] == "invalid_request_object"
