"""The second step taken at once, too often, by another worker, and with another secret key."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    Authenticator,
    ask_for_factor,
    show_factor,
    wrong_code,
)
from tests.fixtures.world import SignedIn, World
from tests.login.factor_refusals import assert_refused

from keyfob.mfa.service import Factors
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring

NEW_KEY = "another secret key that only the tests know"


class TestRaces:
    """Of many requests at once with one thing that works once, one wins."""

    async def test_of_one_token_with_many_recovery_codes(
        self, world: World, app: Authenticator
    ) -> None:
        token = await ask_for_factor(world)

        answers = await asyncio.gather(
            *(show_factor(world, token, recovery_code=code) for code in app.recovery_codes[:5])
        )

        assert sorted(answer.status_code for answer in answers) == [200, *[401] * 4]
        # What the losers showed is not spent.
        assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 9
        assert await world.db.fetchval("SELECT count(*) FROM sessions") == 2

    async def test_of_one_code_with_many_tokens(self, world: World, app: Authenticator) -> None:
        tokens = [await ask_for_factor(world) for _ in range(8)]

        answers = await asyncio.gather(
            *(show_factor(world, token, code=app.code()) for token in tokens)
        )

        assert sorted(answer.status_code for answer in answers) == [200, *[401] * 7]

    async def test_of_one_recovery_code_with_many_tokens(
        self, world: World, app: Authenticator
    ) -> None:
        tokens = [await ask_for_factor(world) for _ in range(8)]

        answers = await asyncio.gather(
            *(show_factor(world, token, recovery_code=app.recovery_codes[0]) for token in tokens)
        )

        assert sorted(answer.status_code for answer in answers) == [200, *[401] * 7]

    async def test_of_wrong_codes_at_once_five_are_looked_at(
        self, world: World, app: Authenticator
    ) -> None:
        token = await ask_for_factor(world)

        await asyncio.gather(*(show_factor(world, token, code=wrong_code(app)) for _ in range(12)))

        reasons = [row["reason"] for row in await world.login_log()]
        assert reasons.count("wrong_factor") == 5


class TestThrottle:
    """Wrong codes are counted per account, for all tokens together."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(
            update={"limits": "on", "limit_factor": "6/hour", "limit_login": "1000/minute"}
        )

    @pytest.fixture
    async def other(self, settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
        """Another worker on the same database."""
        async with World(settings, clock) as world:
            yield world

    async def spend_guesses(self, world: World, app: Authenticator) -> None:
        for _ in range(2):
            token = await ask_for_factor(world)
            for _ in range(3):
                await assert_refused(world, token, code=wrong_code(app))

    async def test_new_tokens_and_other_workers_bring_no_guess_more(
        self, world: World, other: World, app: Authenticator
    ) -> None:
        await self.spend_guesses(world, app)

        for worker in (world, other):
            token = await ask_for_factor(worker)
            answer = await show_factor(worker, token, code=app.code())
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
            assert int(answer.headers["retry-after"]) > 0
            await show_factor(worker, token, code=app.code())
        reasons = [row["reason"] for row in await world.login_log()]
        assert reasons.count("too_many_attempts") == 2  # once a minute and worker

    async def test_it_holds_across_a_restart(
        self, world: World, settings: Settings, clock: MovableClock, app: Authenticator
    ) -> None:
        await self.spend_guesses(world, app)

        async with World(settings, clock) as restarted:
            token = await ask_for_factor(restarted)
            answer = await show_factor(restarted, token, code=app.code())
        assert answer.status_code == 429

    async def test_the_owner_gets_in_by_a_recovery_code(
        self, world: World, app: Authenticator
    ) -> None:
        await self.spend_guesses(world, app)

        token = await ask_for_factor(world)
        answer = await show_factor(world, token, recovery_code=app.recovery_codes[0])

        assert answer.status_code == 200

    async def test_who_lacks_the_password_locks_nobody_out(
        self, world: World, app: Authenticator
    ) -> None:
        for number in range(20):
            await show_factor(world, f"kfm_{number}", code="123456")

        token = await ask_for_factor(world)
        assert (await show_factor(world, token, code=app.code())).status_code == 200

    async def test_right_codes_are_not_counted(
        self, world: World, app: Authenticator, clock: MovableClock
    ) -> None:
        for _ in range(8):
            token = await ask_for_factor(world)
            assert (await show_factor(world, token, code=app.code())).status_code == 200
            clock.advance(30)

    async def test_it_opens_again(
        self, world: World, app: Authenticator, clock: MovableClock
    ) -> None:
        await self.spend_guesses(world, app)
        clock.advance(3601)

        token = await ask_for_factor(world)
        assert (await show_factor(world, token, code=app.code())).status_code == 200


async def test_another_worker_and_a_restart_take_the_second_step(
    world: World, settings: Settings, clock: MovableClock, app: Authenticator
) -> None:
    token = await ask_for_factor(world)

    async with World(settings, clock) as other:
        ada = SignedIn.of(await show_factor(other, token, code=app.code()))

    assert (await world.me(ada)).status_code == 200


class TestSecretKey:
    """Secrets open with the keys of KEYFOB_SECRET_KEY, and are sealed anew with the first."""

    @staticmethod
    def with_keys(settings: Settings, *keys: str) -> Settings:
        return settings.model_copy(update={"secret_key": SecretStr(",".join(keys))})

    async def test_a_secret_that_was_used_since_needs_the_old_key_no_more(
        self, world: World, settings: Settings, clock: MovableClock, app: Authenticator
    ) -> None:
        (old,) = settings.secret_keys
        async with World(self.with_keys(settings, NEW_KEY, old), clock) as rotated:
            token = await ask_for_factor(rotated)
            assert (await show_factor(rotated, token, code=app.code())).status_code == 200
            await rotated.service(Keyring).reseal()
        clock.advance(30)

        async with World(self.with_keys(settings, NEW_KEY), clock) as after:
            token = await ask_for_factor(after)
            assert (await show_factor(after, token, code=app.code())).status_code == 200

    async def test_all_can_be_sealed_anew(
        self, world: World, settings: Settings, clock: MovableClock, app: Authenticator
    ) -> None:
        (old,) = settings.secret_keys
        async with World(self.with_keys(settings, NEW_KEY, old), clock) as rotated:
            factors = rotated.service(Factors)
            assert [await factors.reseal(), await factors.reseal()] == [(1, []), (0, [])]
            await rotated.service(Keyring).reseal()

        async with World(self.with_keys(settings, NEW_KEY), clock) as after:
            token = await ask_for_factor(after)
            assert (await show_factor(after, token, code=app.code())).status_code == 200

    async def test_without_its_key_a_factor_is_refused_and_recovery_codes_work(
        self, world: World, settings: Settings, clock: MovableClock, app: Authenticator
    ) -> None:
        (old,) = settings.secret_keys
        async with World(self.with_keys(settings, NEW_KEY, old), clock) as rotated:
            await rotated.service(Keyring).reseal()

        async with World(self.with_keys(settings, NEW_KEY), clock) as after:
            token = await ask_for_factor(after)
            await assert_refused(after, token, code=app.code())
            answer = await show_factor(after, token, recovery_code=app.recovery_codes[0])
        assert answer.status_code == 200
