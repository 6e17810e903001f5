# ruff: noqa: RUF001 - letters that look alike are what this file is about
"""Addresses that an account may get, and those that it may only have already."""

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.links import sign_up
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.settings import Settings

# As typed, as they were kept by an older release or an import, and what is said of a new one.
UNFIT = [
    ("info@москва.com", "info@xn--80adxhks.com", "should not imitate another domain"),
    (f"{'a' * 65}@example.com", f"{'a' * 65}@example.com", "at most 64 characters before the @"),
    ("ada@localhost", "ada@localhost", "such as .test, .local or localhost"),
    ("ada@keyfob.test", "ada@keyfob.test", "such as .test, .local or localhost"),
]


@pytest.mark.parametrize(("typed", "normal", "reason"), UNFIT, ids=[one[1] for one in UNFIT])
async def test_one_that_is_there_signs_in_and_no_account_gets_it(
    world: World, typed: str, normal: str, reason: str
) -> None:
    root = await world.make_admin()
    user_id = await world.make_user()
    ada = await world.log_in()

    answers = [
        await sign_up(world, typed),
        await world.api.post("/admin/users", json={"email": typed}, headers=root.headers),
        await world.api.patch(
            f"/admin/users/{user_id}", json={"email": typed}, headers=root.headers
        ),
        await world.api.post("/me/email", json={"email": typed}, headers=ada.headers),
    ]
    await world.db.execute(
        "UPDATE users SET email = $1, email_normal = $2 WHERE id = $3", typed, normal, user_id
    )

    for answer in answers:
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/body/email"
        assert reason in error["detail"]
        assert "KEYFOB_" not in error["detail"]  # who reads it has no settings
    for spelling in (typed, normal):
        assert (await world.attempt_login(spelling)).status_code == 200
    # Nor is it in the way of another change.
    body = {"email": typed, "name": "Ada"}
    changed = await world.api.put(f"/admin/users/{user_id}", json=body, headers=root.headers)
    assert changed.status_code == 200


async def test_a_host_of_a_local_network_is_told_what_is_missing(world: World) -> None:
    for typed in ("ada@intranet", "ada@INTRANET"):
        (error,) = (await sign_up(world, typed)).json()["errors"]
        assert error["detail"] == "should have a domain with a dot after the @, such as example.com"


async def test_a_cyrillic_domain_below_its_own_is_one_account_in_either_form(world: World) -> None:
    signed_up = await sign_up(world, "info@москва.рф")

    assert signed_up.status_code == 201
    in_ascii = "info@xn--80adxhks.xn--p1ai"
    assert (await sign_up(world, in_ascii)).json()["code"] == "email_taken"
    for spelling in ("info@москва.рф", "info@МОСКВА.РФ", in_ascii):
        assert (await world.attempt_login(spelling)).status_code == 200


async def test_development_may_take_local_addresses(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings.model_copy(update={"local_email": True}), clock) as world:
        root = await world.make_admin("root@localhost")
        signed_up = await sign_up(world, "ada@keyfob.test")
        body = {"email": "bob@box.local", "password": PASSWORD}
        made = await world.api.post("/admin/users", json=body, headers=root.headers)

        assert (signed_up.status_code, made.status_code) == (201, 201)
        assert (await world.me(SignedIn.of(signed_up))).json()["email"] == "ada@keyfob.test"
