"""Codes as people type and paste them, with any characters around and between."""

import pyotp
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, begin_totp, confirm_totp, show_factor
from tests.fixtures.world import World

from keyfob.settings import Settings

FULL_WIDTH, ARABIC, PERSIAN = 0xFF10, 0x660, 0x6F0


def in_digits(code: str, zero: int) -> str:
    """Write ASCII digits in others, as keyboards of other languages do."""
    return code.translate({ord(str(digit)): zero + digit for digit in range(10)})


def spelled(code: str) -> dict[str, str]:
    """Return spellings of a six-digit code, by what is unusual about them."""
    first, last = code[:3], code[3:]
    return {
        "a space after it": f"{code} ",
        "a no-break space before it": f"\u00a0{code}",
        "a mark that is not seen": f"\u200e{code}\ufeff",
        "a dash": f"{first}-{last}",
        "a dash that does not break": f"{first}\u2011{last}",
        "a minus": f"{first} \u2212 {last}",
        "narrow spaces": "\u202f".join(code),
        "full width": in_digits(code, FULL_WIDTH),
        "Arabic": in_digits(code, ARABIC),
        "Persian": in_digits(code, PERSIAN),
    }


ODDITIES = list(spelled("000000"))


async def test_an_authenticator_is_confirmed_by_its_code_however_it_is_typed(
    world: World, clock: MovableClock
) -> None:
    answers = {}
    for number, oddity in enumerate(ODDITIES):
        await world.make_user(email := f"ada{number}@example.com")
        ada = await world.log_in(email)
        app = await begin_totp(world, ada, clock)
        answer = await confirm_totp(world, ada, app, spelled(app.code())[oddity])
        answers[oddity] = answer.status_code

    assert answers == dict.fromkeys(ODDITIES, 200)


async def test_a_code_is_read_at_the_sign_in_and_the_step_up_however_it_is_typed(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    answers = {}
    for oddity in ODDITIES:
        clock.advance(30)
        signed_in = await show_factor(
            world, await ask_for_factor(world), code=spelled(app.code())[oddity]
        )
        clock.advance(30)
        token = signed_in.json().get("access_token", "")
        again = await world.api.post(
            "/me/reauthenticate",
            json={"code": spelled(app.code())[oddity]},
            headers={"Authorization": f"Bearer {token}"},
        )
        answers[oddity] = signed_in.status_code, again.status_code

    assert answers == dict.fromkeys(ODDITIES, (200, 200))


async def test_a_recovery_code_is_read_however_it_is_typed(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    typed = [
        app.recovery_codes[0].replace("-", "\u2011"),
        app.recovery_codes[1].replace("-", " \u2013 "),
        app.recovery_codes[2].replace("-", "\u2212") + "\u00a0",
        "\ufeff" + app.recovery_codes[3].upper().replace("-", "\u00ad"),
        "".join(chr(ord(each) + 0xFEE0) for each in app.recovery_codes[4]),
    ]

    answers = [
        await show_factor(world, await ask_for_factor(world), recovery_code=code) for code in typed
    ]

    assert [answer.status_code for answer in answers] == [200] * len(typed)


async def test_what_is_no_code_is_refused_and_not_counted(
    world: World, clock: MovableClock
) -> None:
    """Dropped characters are not digits, and a text that cannot be a code uses no attempt."""
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    clock.advance(30)
    token = await ask_for_factor(world)
    code = app.code()

    refused = [
        await show_factor(world, token, code=typed)
        for typed in (
            "",
            "-",
            "\u00a0" * 6,
            code[:5],
            f"{code}0",
            f"{code}a",
            f"{code}\n",
            code * 99,
        )
    ]

    assert [answer.status_code for answer in refused] == [422] * len(refused)
    assert (await show_factor(world, token, code=code)).status_code == 200


async def test_the_issuer_that_apps_show_is_a_setting(
    settings: Settings, clock: MovableClock
) -> None:
    shown = []
    for given in (
        {},
        {"totp_issuer": "Ångström & Söhne"},
        {"public_url": "https://вход.example/auth"},
    ):
        async with World(settings.model_copy(update=given), clock) as world:
            await world.make_user(email := f"ada{len(shown)}@example.com")
            ada = await world.log_in(email)
            begun = await world.api.post(
                "/me/factors/totp", json={"name": "Phone"}, headers=ada.headers
            )
            app = pyotp.parse_uri(begun.json()["uri"])
            shown.append((app.issuer, app.name))

    assert shown == [
        ("localhost", "ada0@example.com"),
        ("Ångström & Söhne", "ada1@example.com"),
        ("вход.example", "ada2@example.com"),
    ]
