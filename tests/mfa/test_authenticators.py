"""Authenticator apps over HTTP: begun, confirmed, named and removed."""

import asyncio
import base64

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    add_totp,
    ask_for_factor,
    begin_totp,
    confirm_totp,
    show_factor,
    wrong_code,
)
from tests.fixtures.hostile import claims_of
from tests.fixtures.world import SignedIn, World

from keyfob.mfa.enrolment import TotpEnrolment
from keyfob.settings import Settings


async def factors_of(world: World, signed_in: SignedIn) -> dict[str, object]:
    answer = await world.api.get("/me/factors", headers=signed_in.headers)
    body: dict[str, object] = answer.raise_for_status().json()
    return body


async def test_an_account_has_no_factor_at_first(world: World) -> None:
    await world.make_user()

    assert await factors_of(world, await world.log_in()) == {
        "factors": [],
        "recovery_codes_left": 0,
    }


async def test_beginning_gives_secret_uri_and_picture(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()

    answer = await world.api.post("/me/factors/totp", json={"name": "Phone"}, headers=ada.headers)

    body = answer.json()
    assert answer.status_code == 201
    assert set(body) == {"id", "secret", "uri", "qr_svg"}
    assert body["uri"].startswith("otpauth://totp/localhost:ada%40example.com?")
    assert f"secret={body['secret']}" in body["uri"]
    assert body["qr_svg"].startswith("<svg ")
    assert answer.headers["cache-control"] == "no-store"


async def test_what_is_begun_is_no_factor(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()

    await begin_totp(world, ada, clock)

    assert (await factors_of(world, ada))["factors"] == []
    await world.log_in()  # nothing is asked


async def test_the_first_one_confirmed_brings_ten_recovery_codes(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await begin_totp(world, ada, clock)

    answer = await confirm_totp(world, ada, app)

    codes = answer.json()["recovery_codes"]
    assert answer.status_code == 200
    assert len(set(codes)) == 10
    assert await factors_of(world, ada) == {
        "factors": [
            {
                "id": app.id,
                "type": "totp",
                "name": "Phone",
                "created_at": "2026-11-22T12:00:00Z",
                "last_used_at": None,
            }
        ],
        "recovery_codes_left": 10,
    }


async def test_the_session_that_added_the_first_has_proven_it(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    before = claims_of(ada.access)

    await add_totp(world, ada, clock)
    after = claims_of(SignedIn.of(await world.refresh(ada.refresh)).access)

    assert (before["acr"], before["amr"]) == ("aal1", ["pwd"])
    assert (after["acr"], after["amr"]) == ("aal2", ["pwd", "otp", "mfa"])


async def test_the_second_brings_no_codes_and_kills_none(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))

    second = await add_totp(world, ada, clock, "Tablet")

    assert second.recovery_codes == ()
    assert (await factors_of(world, ada))["recovery_codes_left"] == 10


async def test_a_wrong_code_confirms_nothing(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await begin_totp(world, ada, clock)

    answer = await confirm_totp(world, ada, app, wrong_code(app))

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")
    assert (await factors_of(world, ada))["factors"] == []
    assert (await confirm_totp(world, ada, app)).status_code == 200


async def test_guesses_at_the_first_code_are_bounded_and_keep_nobody_out(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_factor": "3/hour"})
    async with World(limited, clock) as world:
        await world.make_user()
        ada = await world.log_in()
        app = await add_totp(world, ada, clock)
        ada = SignedIn.of(await world.refresh(ada.refresh))
        second = await begin_totp(world, ada, clock)
        for _ in range(3):
            await confirm_totp(world, ada, second, wrong_code(second))

        answer = await confirm_totp(world, ada, second)
        clock.advance(30)
        signed_in = await show_factor(world, await ask_for_factor(world), code=app.code())

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert signed_in.status_code == 200


async def test_what_is_not_confirmed_in_ten_minutes_is_gone(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await begin_totp(world, ada, clock)
    clock.advance(601)
    ada = await world.log_in()

    answer = await confirm_totp(world, ada, app)

    assert (answer.status_code, answer.json()["code"]) == (404, "factor_not_found")
    await world.service(TotpEnrolment).clean_up()
    assert await world.db.fetchval("SELECT count(*) FROM factors") == 0


async def test_a_newer_beginning_takes_the_place_of_the_older(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    first = await begin_totp(world, ada, clock)
    for _ in range(20):
        newest = await begin_totp(world, ada, clock)

    assert await world.db.fetchval("SELECT count(*) FROM factors") == 1
    assert (await confirm_totp(world, ada, first)).status_code == 404
    assert (await confirm_totp(world, ada, newest)).status_code == 200


async def test_there_are_ten_at_most(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    for _ in range(9):
        await add_totp(world, ada, clock)

    answer = await world.api.post(
        "/me/factors/totp", json={"name": "Eleventh"}, headers=ada.headers
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_factors")


async def test_the_tenth_place_is_taken_once(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    app = await begin_totp(world, ada, clock)

    answers = await asyncio.gather(*(confirm_totp(world, ada, app) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200, *[404] * 7]


async def test_a_secret_rests_sealed_and_bound_to_its_row(
    world: World, clock: MovableClock
) -> None:
    await world.make_user("ada@example.com")
    await world.make_user("eve@example.com")
    ada, eve = await world.log_in(), await world.log_in("eve@example.com")
    hers = await begin_totp(world, ada, clock)
    mine = await begin_totp(world, eve, clock)

    rows = await world.db.fetch("SELECT secret FROM factors")
    assert all(base64.b32decode(hers.secret) not in row["secret"] for row in rows)

    # Whoever can write the table puts a known secret into another's row.
    await world.db.execute(
        """
        UPDATE factors SET secret = (SELECT secret FROM factors WHERE id = $1::text::uuid)
         WHERE id = $2::text::uuid
        """,
        mine.id,
        hers.id,
    )
    answer = await confirm_totp(world, ada, hers, mine.code())
    assert answer.status_code == 401


async def test_renaming(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))

    answer = await world.api.patch(
        f"/me/factors/{app.id}", json={"name": "  Old phone "}, headers=ada.headers
    )

    assert (answer.status_code, answer.json()["name"]) == (200, "Old phone")
    (known,) = (await factors_of(world, ada))["factors"]  # type: ignore[misc]
    assert known["name"] == "Old phone"


async def test_the_last_one_takes_the_recovery_codes_with_it(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    first = await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    second = await add_totp(world, ada, clock, "Tablet")

    answer = await world.api.delete(f"/me/factors/{first.id}", headers=ada.headers)
    assert answer.status_code == 204
    assert (await factors_of(world, ada))["recovery_codes_left"] == 10

    await world.api.delete(f"/me/factors/{second.id}", headers=ada.headers)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    assert await factors_of(world, ada) == {"factors": [], "recovery_codes_left": 0}
    await world.log_in()  # nothing is asked any more


async def test_another_s_factor_is_not_told_from_none(world: World, clock: MovableClock) -> None:
    await world.make_user("ada@example.com")
    await world.make_user("eve@example.com")
    ada, eve = await world.log_in(), await world.log_in("eve@example.com")
    app = await add_totp(world, ada, clock)
    begun = await begin_totp(world, eve, clock)
    unknown = "01890000-0000-7000-8000-000000000000"

    for factor_id in (app.id, unknown):
        path = f"/me/factors/{factor_id}"
        answers = [
            await world.api.patch(path, json={"name": "Mine"}, headers=eve.headers),
            await world.api.delete(path, headers=eve.headers),
            await world.api.post(
                f"/me/factors/totp/{factor_id}/confirm",
                json={"code": "123456"},
                headers=eve.headers,
            ),
        ]
        assert {(one.status_code, one.json()["code"]) for one in answers} == {
            (404, "factor_not_found")
        }
    assert (await confirm_totp(world, ada, begun)).status_code in {401, 404}
    assert (await factors_of(world, eve))["factors"] == []


async def test_each_change_is_in_the_audit_log_and_told_by_mail(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    await world.api.patch(f"/me/factors/{app.id}", json={"name": "Old phone"}, headers=ada.headers)
    await world.api.post("/me/factors/recovery-codes", headers=ada.headers)
    await world.api.delete(f"/me/factors/{app.id}", headers=ada.headers)

    events = [event for event in await world.audit_log() if event["actor_id"]]
    assert [event["action"] for event in events] == [
        "factor.added",
        "factor.renamed",
        "recovery_codes.renewed",
        "factor.removed",
    ]
    assert "phone" not in str(events).lower()
