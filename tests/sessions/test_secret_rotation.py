"""Several secret keys: old values can be decrypted, and a key removed too early is reported."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import SignedIn, World

from keyfob import boot
from keyfob.audit.service import Audit
from keyfob.settings import Settings, WrongSetting
from keyfob.tokens.keyring import Keyring

OLD = "a secret key that only the tests know"
NEW = "another secret key that they also know"


@asynccontextmanager
async def world_of(settings: Settings, clock: MovableClock, *keys: str) -> AsyncIterator[World]:
    secret = SecretStr(",".join(keys))
    async with World(settings.model_copy(update={"secret_key": secret}), clock) as world:
        yield world


async def test_everything_old_opens_with_the_new_key_in_front(
    settings: Settings, clock: MovableClock
) -> None:
    async with world_of(settings, clock, OLD) as before:
        for name in ("ada", "bob", "eve"):
            await before.make_user(f"{name}@example.com")
        admin = await before.make_admin()
        ada = await before.log_in()
        page = await before.api.get("/admin/users?limit=2", headers=admin.headers)
        following = page.links["next"]["url"]
        recorded = len(await before.audit_log())

    async with world_of(settings, clock, NEW, OLD) as world:
        assert (await world.me(ada)).status_code == 200, "the signing key opens"
        renewed = SignedIn.of(await world.refresh(ada.refresh))
        assert SignedIn.of(await world.refresh(ada.refresh)).refresh == renewed.refresh
        page = await world.api.get(following, headers=admin.headers)
        assert (page.status_code, len(page.json())) == (200, 2)
        await world.make_user("zoe@example.com")
        verdict = await world.service(Audit).verify()
        assert verdict.broken_at is None
        assert verdict.checked == len(await world.audit_log()) > recorded
        assert await world.service(Keyring).reseal() == 1
        newer = SignedIn.of(await world.refresh(renewed.refresh))
        page = await world.api.get("/admin/users?limit=2", headers=admin.headers)
        following = page.links["next"]["url"]

    async with world_of(settings, clock, NEW) as after:
        assert (await after.me(newer)).status_code == 200
        assert (await after.refresh(ada.refresh)).status_code == 401, "made by a key that is gone"
        assert (await after.refresh(newer.refresh)).status_code == 200
        page = await after.api.get(following, headers=admin.headers)
        assert page.status_code == 200
        verdict = await after.service(Audit).verify()
        assert verdict.broken_at == 1, "the record needs the keys that signed it"


async def test_instances_with_the_keys_in_either_order_understand_each_other(
    settings: Settings, clock: MovableClock
) -> None:
    # As while a new setting rolls out: first the new key is added behind, then put in front.
    async with (
        world_of(settings, clock, OLD, NEW) as one,
        world_of(settings, clock, NEW, OLD) as two,
    ):
        await one.make_user()
        ada = await one.log_in()
        for world in (two, one, two, one):
            ada = SignedIn.of(await world.refresh(ada.refresh))
            assert (await one.me(ada)).status_code == 200
            assert (await two.me(ada)).status_code == 200
        await two.make_user("bob@example.com")
        await one.make_user("eve@example.com")
        assert (await two.service(Audit).verify()).broken_at is None


async def test_an_old_key_dropped_too_early_stops_the_start_by_name(
    settings: Settings, clock: MovableClock
) -> None:
    async with world_of(settings, clock, OLD) as before:
        await before.make_admin()

    with pytest.raises(WrongSetting, match="KEYFOB_SECRET_KEY"):
        await boot.prepare(settings.model_copy(update={"secret_key": SecretStr(NEW)}))


async def test_a_worker_that_cannot_open_its_keys_is_not_ready_and_signs_nothing(
    settings: Settings, clock: MovableClock
) -> None:
    async with world_of(settings, clock, OLD) as before:
        await before.make_user()
        ada = await before.log_in()

    broken = World(settings.model_copy(update={"secret_key": SecretStr(NEW)}), clock)
    await broken.wiring.start()
    try:
        assert (await broken.api.get("/health/ready")).status_code == 503
        assert (await broken.me(ada)).status_code == 503
        answer = await broken.attempt_login()
        assert (answer.status_code, answer.json()["code"]) == (503, "no_signing_key")
        assert int(answer.headers["retry-after"]) >= 1
    finally:
        await broken.wiring.stop()
