"""Adding passkeys of one's own."""

import asyncio
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from tests.fixtures.authenticator import UV, Mistake, Passkey, ed25519_key, rs256
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of, decode, encode
from tests.fixtures.passkeys import add, begin_adding, finish_adding, own_passkey, sign_in
from tests.fixtures.world import SignedIn, World
from tests.mfa.strengthened import refreshed

from keyfob.authority.models import Role
from keyfob.settings import Settings


async def test_the_browser_is_told_what_to_make(world: World, ada: SignedIn) -> None:
    begun = await begin_adding(world, ada)

    user_id = UUID(claims_of(ada.access)["sub"])
    assert UUID(begun["challenge_id"]).version == 7
    assert len(decode(begun["options"].pop("challenge"))) == 32
    assert begun["options"] == {
        "rp": {"id": "localhost", "name": "localhost"},
        "user": {
            "id": encode(user_id.bytes),
            "name": "ada@example.com",
            "displayName": "Ada Lovelace",
        },
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-8, -7, -257)],
        "timeout": 300_000,
        "excludeCredentials": [],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


async def test_the_first_passkey_brings_recovery_codes_and_strengthens_the_session(
    world: World, ada: SignedIn
) -> None:
    answer = await add(world, ada, name=" My phone ")

    assert answer.status_code == 201
    factor = answer.json()
    assert len(set(factor.pop("recovery_codes"))) == 10
    assert (factor["type"], factor["name"], factor["last_used_at"]) == ("passkey", "My phone", None)
    listed = (await world.api.get("/me/factors", headers=ada.headers)).json()
    assert listed == {"factors": [factor], "recovery_codes_left": 10}
    claims = claims_of((await refreshed(world, ada)).access)
    assert (claims["amr"], claims["acr"]) == (["pwd", "pop", "mfa"], "aal2")


async def test_a_second_device_brings_no_more_codes_and_is_told_of_the_first(
    world: World, ada: SignedIn
) -> None:
    first = await own_passkey(world, ada, transports=["usb", "never-heard-of"])
    ada = await refreshed(world, ada)

    begun = await begin_adding(world, ada)
    second = Passkey(ed25519_key())
    made = second.make(begun["options"])
    answer = await finish_adding(world, ada, begun, made, "Laptop")

    assert begun["options"]["excludeCredentials"] == [
        {
            "id": encode(first.credential_id),
            "type": "public-key",
            "transports": ["never-heard-of", "usb"],
        }
    ]
    assert (answer.status_code, answer.json()["recovery_codes"]) == (201, [])
    assert (await sign_in(world, first)).status_code == 200
    assert (await sign_in(world, second)).status_code == 200


async def test_what_is_kept_of_a_passkey(world: World, ada: SignedIn) -> None:
    synced = Passkey(rs256(), sign_count=None, flags=0x01 | UV | 0x08 | 0x10)
    await add(world, ada, synced)

    (kept,) = await world.db.fetch("SELECT * FROM factors")
    assert kept["credential_id"] == synced.credential_id
    assert (kept["sign_count"], kept["backed_up"]) == (0, True)
    assert kept["transports"] == ["hybrid", "internal"]
    assert kept["confirmed_at"] == kept["created_at"]
    assert kept["secret"] is None


async def test_it_is_audited_without_a_name(world: World, ada: SignedIn) -> None:
    factor = (await add(world, ada, name="The one from work")).json()

    event = (await world.audit_log())[-1]
    assert (event["action"], event["new_values"]) == (
        "factor.added",
        {"id": factor["id"], "type": "passkey"},
    )
    assert event["actor_id"] == event["target_id"] == UUID(claims_of(ada.access)["sub"])


async def test_it_asks_for_a_recent_sign_in(
    world: World, ada: SignedIn, clock: MovableClock
) -> None:
    begun = await begin_adding(world, ada)
    clock.advance(minutes=4)
    ada = await refreshed(world, ada)
    clock.advance(minutes=1, seconds=1)

    answers = [
        await world.api.post("/me/factors/passkeys/options", headers=ada.headers),
        await finish_adding(world, ada, begun, Passkey().make(begun["options"])),
    ]

    for answer in answers:
        assert answer.status_code == 401
        assert answer.json()["code"] == "insufficient_user_authentication"
        assert answer.json()["max_age"] == 300


async def test_who_has_a_factor_shows_it_before_adding_another(world: World, ada: SignedIn) -> None:
    thief = await world.log_in()  # before there was a factor
    begun = await begin_adding(world, thief)
    await own_passkey(world, ada)

    refused = await finish_adding(world, thief, begun, Passkey().make(begun["options"]))

    assert refused.json()["code"] == "insufficient_user_authentication"
    assert refused.json()["acr_values"] == "aal2"
    assert await world.db.fetchval("SELECT count(*) FROM factors") == 1


async def test_whose_role_must_have_a_factor_may_add_a_passkey(
    settings: Settings, clock: MovableClock
) -> None:
    strict = settings.model_copy(update={"require_mfa_for": ["admin"]})
    async with World(strict, clock) as world:
        await world.make_user("root@example.com", role=Role.ADMIN)
        root = await world.log_in("root@example.com")
        assert (await world.api.get("/admin/users", headers=root.headers)).status_code == 403

        passkey = await own_passkey(world, root)

        root = await refreshed(world, root)
        assert (await world.api.get("/admin/users", headers=root.headers)).status_code == 200
        alone = SignedIn.of(await sign_in(world, passkey))
        assert (await world.api.get("/admin/users", headers=alone.headers)).status_code == 200


# Credentials


async def test_a_credential_is_registered_once_whoever_comes_with_it(
    world: World, ada: SignedIn
) -> None:
    await world.make_user("eve@example.com")
    eve = await world.log_in("eve@example.com")
    passkey = await own_passkey(world, ada)

    stolen = Passkey(credential_id=passkey.credential_id)
    answers = [await add(world, eve, stolen), await add(world, eve, passkey.clone())]
    ada = await refreshed(world, ada)
    answers.append(await add(world, ada, passkey.clone()))

    assert [answer.status_code for answer in answers] == [409] * 3
    assert {answer.json()["code"] for answer in answers} == {"passkey_taken"}
    assert (await sign_in(world, passkey)).status_code == 200  # and is still Ada's
    assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 10


async def test_why_it_was_refused_is_in_the_log_and_not_in_the_answer(
    world: World, ada: SignedIn
) -> None:
    with capture_logs() as said:
        answer = await add(world, ada, mistake=Mistake(origin="https://login.example.org"))

    assert answer.status_code == 400
    assert "example.org" not in answer.text
    (line,) = [one for one in said if one["event"] == "passkey_not_added"]
    assert "https://login.example.org" in line["why"]
    assert line["user_id"] == claims_of(ada.access)["sub"]


@pytest.mark.parametrize(
    "credential",
    [
        None,
        [],
        {},
        "x",
        {"id": "AA", "rawId": "AA", "type": "public-key"},
        {"id": "AA", "rawId": "AA", "type": "password", "response": {}},
        {"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": 5}},
    ],
)
async def test_what_is_no_credential_does_not_fit(
    world: World, ada: SignedIn, credential: object
) -> None:
    begun = await begin_adding(world, ada)

    answer = await finish_adding(world, ada, begun, credential)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("part", ["clientDataJSON", "attestationObject"])
async def test_what_is_too_long_does_not_fit(world: World, ada: SignedIn, part: str) -> None:
    begun = await begin_adding(world, ada)
    made = Passkey().make(begun["options"])
    made["response"][part] += "A" * 20_000

    answer = await finish_adding(world, ada, begun, made)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [
        f"/body/credential/response/{part}"
    ]


async def test_what_browsers_add_is_not_read(world: World, ada: SignedIn) -> None:
    begun = await begin_adding(world, ada)
    made = Passkey().make(begun["options"], Mistake(outer={"clientExtensionResults": {"a": [{}]}}))
    made["response"] |= {"publicKey": "AAAA", "authenticatorData": "AAAA", "future": {"x": 1}}

    assert (await finish_adding(world, ada, begun, made)).status_code == 201


async def test_there_may_be_ten_factors(world: World, ada: SignedIn) -> None:
    key = Passkey().key
    for _ in range(10):
        assert (await add(world, ada, Passkey(key))).status_code == 201
        ada = await refreshed(world, ada)

    assert (await add(world, ada, Passkey(key))).json()["code"] == "too_many_factors"


async def test_of_two_first_passkeys_at_once_the_second_shows_the_first(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        for turn in range(8):
            email = f"ada{turn}@example.com"
            user_id = await one.make_user(email)
            callers = [await one.log_in(email), await two.log_in(email)]
            begun = [await begin_adding(one, callers[0]), await begin_adding(two, callers[1])]

            answers = await asyncio.gather(
                *(
                    finish_adding(world, caller, it, Passkey().make(it["options"]))
                    for world, caller, it in zip((one, two), callers, begun, strict=True)
                )
            )

            assert sorted(answer.status_code for answer in answers) == [201, 401]
            codes = await one.db.fetchval(
                "SELECT count(*) FROM recovery_codes WHERE user_id = $1", user_id
            )
            assert codes == 10


async def test_of_two_that_register_one_credential_at_once_one_does(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        for turn in range(8):
            passkey, callers, begun = Passkey(), [], []
            for world, name in ((one, "ada"), (two, "eve")):
                await world.make_user(f"{name}{turn}@example.com")
                callers.append(await world.log_in(f"{name}{turn}@example.com"))
                begun.append(await begin_adding(world, callers[-1]))

            answers = await asyncio.gather(
                *(
                    finish_adding(world, caller, it, passkey.make(it["options"]))
                    for world, caller, it in zip((one, two), callers, begun, strict=True)
                )
            )

            assert sorted(answer.status_code for answer in answers) == [201, 409]
