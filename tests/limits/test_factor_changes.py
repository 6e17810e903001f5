"""Changes of factors, and cancelled erasures, are limited: each of them sends a mail."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.world import SignedIn, World

from keyfob.settings import Settings

A_MINUTE = 10
AN_HOUR = 40


async def test_a_session_changes_factors_and_its_mind_few_times_an_hour(
    settings: Settings, clock: MovableClock
) -> None:
    shipped = settings.model_copy(update={"limits": "on", "recent_sign_in": 7200})
    async with World(settings, clock) as free, World(shipped, clock) as world:
        await free.make_user()
        ada = await free.log_in()
        app = await add_totp(free, ada, clock)
        ada = SignedIn.of(await free.refresh(ada.refresh))
        changes = [
            ("POST", "/me/factors/recovery-codes", None),
            ("DELETE", "/me", None),
            ("POST", "/me/keep", None),
            ("PATCH", f"/me/factors/{app.id}", {"name": "Telephone"}),
            ("POST", "/me/factors/totp", {"name": "Another"}),
            ("POST", "/me/factors/passkeys/options", None),
        ]
        passed = []
        for _ in range(6):
            done = 0
            for _ in range(3):
                for method, path, body in changes:
                    answer = await world.api.request(method, path, json=body, headers=ada.headers)
                    assert answer.status_code in {200, 201, 202, 204, 429}, answer.text
                    done += answer.status_code != 429
            passed.append(done)
            clock.advance(60)
            ada = SignedIn.of(await free.refresh(ada.refresh))

        assert passed == [A_MINUTE] * 4 + [0, 0]
        assert sum(passed) == AN_HOUR


async def test_what_an_account_has_used_up_is_not_its_reading(
    settings: Settings, clock: MovableClock
) -> None:
    tight = settings.model_copy(update={"limits": "on", "limit_me_factors": "1/minute"})
    async with World(settings, clock) as free, World(tight, clock) as world:
        await free.make_user()
        ada = await free.log_in()
        answers = [
            (await world.api.post("/me/factors/passkeys/options", headers=ada.headers)).status_code
            for _ in range(2)
        ]
        read = await world.api.get("/me/factors", headers=ada.headers)
        renamed = await world.api.patch("/me", json={"name": "Ada"}, headers=ada.headers)

    assert answers[1] == 429
    assert [read.status_code, renamed.status_code] == [200, 200]
