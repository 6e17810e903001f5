"""Lines 15 to 17 of the abuse list: tokens that were never issued, or are of another kind."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.abuse.refused_tokens import assert_refused, present
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import (
    Json,
    Sign,
    claims_of,
    decode,
    each_change,
    encode,
    forge,
    header_of,
    hs256,
    unsigned,
)
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World

from keyfob.core.encryption import SecretKeyring
from keyfob.core.pagination import Cursors
from keyfob.tokens.keyring import Keyring


async def test_15_alg_none_in_any_case(world: World, ada: SignedIn) -> None:
    for alg in ("none", "None", "NONE", "nOnE", "noNe", "", None):
        header = {**header_of(ada.access), "alg": alg}
        await assert_refused(world, forge(header, claims_of(ada.access), unsigned))
        await assert_refused(world, f"{encode(header)}.{encode(claims_of(ada.access))}.")
        signature = ada.access.rpartition(".")[2]
        await assert_refused(world, f"{encode(header)}.{encode(claims_of(ada.access))}.{signature}")


async def test_15_hs256_with_the_public_key(world: World, ada: SignedIn) -> None:
    published = (await world.api.get("/.well-known/jwks.json")).json()["keys"][0]
    key = world.service(Keyring).active().public_key
    info = PublicFormat.SubjectPublicKeyInfo
    for secret in (
        key.public_bytes(Encoding.PEM, info),
        key.public_bytes(Encoding.PEM, info).strip(),
        key.public_bytes(Encoding.DER, info),
        decode(published["x"]),
        published["x"].encode(),
        json.dumps(published).encode(),
        b"",
    ):
        header = {**header_of(ada.access), "alg": "HS256"}
        await assert_refused(world, forge(header, claims_of(ada.access), hs256(secret)))


async def test_15_a_foreign_kid_is_looked_up_nowhere(
    world: World, ada: SignedIn, insider: Sign
) -> None:
    for kid in (
        "../../../../../../dev/null",
        "/etc/passwd",
        "' UNION SELECT 'secret' --",
        "https://evil.example/key.pem",
        "file:///etc/passwd",
        "\x00",
        "k" * 2000,
        ["kid"],
        None,
    ):
        header = {**header_of(ada.access), "kid": kid}
        await assert_refused(world, forge(header, claims_of(ada.access), insider))


async def test_15_a_key_or_an_address_of_one_in_the_header(world: World, ada: SignedIn) -> None:
    attacker = Ed25519PrivateKey.generate()
    x = encode(attacker.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": header_of(ada.access)["kid"]}
    for extra in (
        {"jwk": jwk},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/chain.pem"},
        {"x5c": ["MIIBszCCAVmgAwIBAgI"]},
    ):
        header = {**header_of(ada.access), **extra}
        await assert_refused(world, forge(header, claims_of(ada.access), attacker.sign))


async def test_15_unknown_extensions_and_other_types(
    world: World, ada: SignedIn, insider: Sign
) -> None:
    changes: list[Json] = [
        {"crit": ["exp"]},
        {"crit": ["x"], "x": 1},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"typ": "JWT"},
        {"typ": "id_token"},
        {"typ": "refresh+jwt"},
        {"typ": None},
    ]
    for change in changes:
        header = {**header_of(ada.access), **change}
        await assert_refused(world, forge(header, claims_of(ada.access), insider))


async def test_15_claims_that_are_off(
    world: World, ada: SignedIn, insider: Sign, clock: MovableClock
) -> None:
    now = clock.timestamp()
    wrong: list[Json] = [
        {"iss": "https://evil.example"},
        {"aud": "another service"},
        {"aud": ["keyfob", "another service"]},
        {"exp": now},
        {"exp": now - 3600},
        {"nbf": now + 60},
        {"iat": now + 60},
    ]
    no_dates: list[Any] = [True, now + 60.5, str(now + 60), None, [], {}, "x"]
    for name in ("exp", "iat", "nbf", "gen"):
        wrong += [{name: value} for value in no_dates]
    for claims in wrong:
        token = forge(header_of(ada.access), {**claims_of(ada.access), **claims}, insider)
        await assert_refused(world, token)


async def test_15_a_life_beyond_our_own_is_cut_to_it(
    world: World, ada: SignedIn, insider: Sign, clock: MovableClock
) -> None:
    claims = {**claims_of(ada.access), "exp": 10**30}
    token = forge(header_of(ada.access), claims, insider)
    answer = await world.api.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200

    clock.advance(300)

    await assert_refused(world, token)


async def test_16_a_token_of_another_kind_is_no_access_token(
    world: World, ada: SignedIn, insider: Sign
) -> None:
    ring = SecretKeyring(["a secret key that only the tests know"])
    id_token = {
        name: value
        for name, value in claims_of(ada.access).items()
        if name in {"iss", "sub", "iat", "exp"}
    }
    for token in (
        ada.refresh,
        ada.session_id,
        Cursors(ring.derive("cursors")).write("users created_at", ["x", "y"]),
        forge({**header_of(ada.access), "typ": "JWT"}, {**id_token, "aud": "a client"}, insider),
        forge(header_of(ada.access), {**id_token, "aud": "keyfob"}, insider),
        "kfp_" + "A" * 43,  # as an API key or a mailed token may come to look
        "Bearer " + ada.access,
    ):
        await assert_refused(world, token)


async def test_16_an_access_token_is_no_refresh_token(world: World, ada: SignedIn) -> None:
    for token in (ada.access[:512], ada.session_id, "kfr_" + encode(ada.access.encode())[:96]):
        with recorded_statements() as seen:
            answer = await world.refresh(token)
        assert (answer.status_code, seen) == (401, [])


async def test_17_an_access_token_changed_in_any_one_character(world: World, ada: SignedIn) -> None:
    at = ada.access.rindex(".") + 1
    changes = each_change(ada.access)[::3] + each_change(ada.access, start=at)
    for changed in changes:
        await assert_refused(world, changed)


async def test_17_an_access_token_cut_or_lengthened(world: World, ada: SignedIn) -> None:
    for length in range(0, len(ada.access), 5):
        answer = await present(world, ada.access[:length])
        assert answer.status_code == 401
    for end in ("=", "==", "A", "AAAA", ".", ".AAAA", "%00", "/", "+"):
        await assert_refused(world, ada.access + end)


async def test_17_a_refresh_token_changed_in_any_one_character(world: World, ada: SignedIn) -> None:
    with recorded_statements() as seen:
        for changed in each_change(ada.refresh):
            assert (await world.refresh(changed)).status_code == 401

    assert seen == []
    assert (await world.refresh(ada.refresh)).status_code == 200, "and the true one still works"


async def test_17_a_refresh_token_of_any_other_length(world: World, ada: SignedIn) -> None:
    lengths = [ada.refresh[:length] for length in range(1, len(ada.refresh))]
    longer = [ada.refresh + end for end in ("=", "==", "A", "AAAA", "\n", ".", "A" * 400)]
    with recorded_statements() as seen:
        for changed in lengths + longer:
            assert (await world.refresh(changed)).status_code in {401, 422}

    assert seen == []
