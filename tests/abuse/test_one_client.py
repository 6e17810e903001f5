"""Lines 43 and 51 of the abuse list: what one client may do, and what it may learn."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.settings import Settings

PER_ADDRESS = {
    "limits": "on",
    "limit_register": "2/minute",
    "limit_login": "2/minute",
    "limit_passkey": "2/minute",
    "limit_verify_email": "2/minute",
    "limit_recover": "2/minute",
}
# Every call that a stranger may make and that is counted by address; a sweep over all routes
# against their declarations is in tests/limits/test_declared.py.
ANONYMOUS = [
    "/register",
    "/login",
    "/login/mfa",
    "/login/mfa/options",
    "/login/passkey/options",
    "/login/passkey/verify",
    "/verify-email/request",
    "/verify-email/confirm",
    "/recover/request",
    "/recover/confirm",
]


async def test_43_a_token_of_ones_own_lifts_no_limit_per_address(
    settings: Settings, clock: MovableClock
) -> None:
    names = ["ada", "eve", "mallory"]
    limited = settings.model_copy(update=PER_ADDRESS)
    async with World(settings, clock) as free, World(limited, clock) as world:
        for name in names:
            await free.make_user(f"{name}@example.com")
        for path in ANONYMOUS:
            answers = []
            for name in names:
                own = await free.log_in(f"{name}@example.com")
                answers.append(await world.api.post(path, json={}, headers=own.headers))

            assert [one.status_code == 429 for one in answers] == [False, False, True], path
            clock.advance(60)


async def test_43_many_accounts_of_ones_own_hash_and_mail_no_more_than_an_address_may(
    settings: Settings, clock: MovableClock
) -> None:
    shipped = settings.model_copy(update={"limits": "on"})
    async with World(settings, clock) as free, World(shipped, clock) as world:
        for path in ("/me/reauthenticate", "/me/password", "/me/email", "/me/factors/totp"):
            passed = 0
            for number in range(24):
                email = f"{number}{path[4:].replace('/', '-')}@example.com"
                await free.make_user(email)
                own = await free.log_in(email)
                for _ in range(5):
                    answer = await world.api.post(path, json={}, headers=own.headers)
                    passed += answer.status_code != 429

            assert passed <= 60, path
            clock.advance(60)
