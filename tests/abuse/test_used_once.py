"""Line 52 of the abuse list: used tokens cannot be used again in another spelling."""

import base64
from collections.abc import Awaitable, Callable

import httpx
import pytest
from tests.fixtures.authenticator import Passkey
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    Authenticator,
    add_totp,
    ask_for_factor,
    begin_totp,
    confirm_totp,
    show_factor,
)
from tests.fixtures.links import recover
from tests.fixtures.passkeys import begin_adding, begin_sign_in, finish_sign_in, own_passkey
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.accounts.email import Email
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens

_BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_DASHES = ["", " ", "-", "--", " - ", "\u2010", "\u2013", "\u2212", "\u00ad", "_", ".", "\t"]


def wide(text: str) -> str:
    """Write ASCII in its full width."""
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)


def arabic(text: str) -> str:
    """Write the digits in those of Arabic."""
    return text.translate({ord(str(digit)): 0x660 + digit for digit in range(10)})


def spellings(text: str) -> set[str]:
    """Return variants of a text: in case, width, and with characters around and within."""
    letters = text.replace("-", "")
    groups = [letters[at : at + 4] for at in range(0, len(letters), 4)]
    misread = [("0", "o"), ("0", "O"), ("1", "i"), ("1", "I"), ("1", "l"), ("1", "L")]
    return {
        *(dash.join(groups) for dash in _DASHES),
        *(form(text) for form in (str.upper, str.lower, str.title, str.swapcase, wide, arabic)),
        *(wide(letters), arabic(letters), wide(letters.upper())),
        *(text.replace(*pair) for pair in misread),
        *(f"{space}{text}" for space in (" ", "\u00a0", "\u200b", "\ufeff", "0", "\n")),
        *(f"{text}{space}" for space in (" ", "\u00a0", "\u200b", "=", "\x00", "\r\n")),
        text.replace("k", "\u212a"),  # the sign of Kelvin, whose lower case is k
        text,
    }


def spellings_of_bytes(token: str, prefix: str) -> set[str]:
    """Return spellings of base64url that a lenient reader takes for the same bytes."""
    body = token.removeprefix(prefix)
    last = _BASE64URL.index(body[-1])
    trailing = {body[:-1] + _BASE64URL[last ^ bits] for bits in range(1, 16)}
    padded = {body + "=" * count for count in (1, 2, 3)}
    standard = body.replace("-", "+").replace("_", "/")
    hexadecimal = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).hex()
    changed = trailing | padded | {standard, hexadecimal, f"{body[:9]}\n{body[9:]}", f"{body}."}
    return {prefix + each for each in changed} | spellings(token) | {body}


@pytest.fixture
async def app(world: World, clock: MovableClock) -> Authenticator:
    await world.make_user()
    return await add_totp(world, await world.log_in(), clock)


async def spend_recovery_code(world: World, code: str) -> httpx.Response:
    return await show_factor(world, await ask_for_factor(world), recovery_code=code)


async def test_52_a_used_recovery_code_stays_used_in_any_spelling(
    world: World, app: Authenticator
) -> None:
    used = app.recovery_codes[0]
    assert (await spend_recovery_code(world, used)).status_code == 200
    before = await world.db.fetchval("SELECT count(*) FROM sessions")

    answers = {spelling: await spend_recovery_code(world, spelling) for spelling in spellings(used)}

    assert len(answers) > 20
    assert {answer.status_code for answer in answers.values()} <= {401, 422}
    assert await world.db.fetchval("SELECT count(*) FROM sessions") == before
    assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 9


async def test_52_whatever_spelling_is_taken_spends_the_code(
    world: World, app: Authenticator
) -> None:
    """Each code in another spelling first: whether that opens a session or not, never two."""
    forms = [
        *(str.upper, wide, lambda code: wide(code.replace("-", ""))),
        *(lambda code: code.replace("0", "O"), lambda code: code.replace("1", "l")),
        *(lambda code: code.replace("-", ""), lambda code: code.replace("-", " ")),
        *(lambda code: code.replace("-", "\u2013"), lambda code: f" {code} "),
        lambda code: f"{code}\u200b",
    ]
    opened = 0
    for code, form in zip(app.recovery_codes, forms, strict=True):
        first, second = (
            await spend_recovery_code(world, form(code)),
            await spend_recovery_code(world, code),
        )
        opened += first.is_success
        assert first.is_success != second.is_success, form(code)
    assert opened == 10
    assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 0


async def test_52_a_used_code_of_an_authenticator_stays_used_in_any_spelling(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    clock.advance(30)
    used = app.code()
    shown = await show_factor(world, await ask_for_factor(world), code=used[:3] + " " + used[3:])
    assert shown.status_code == 200
    before = await world.db.fetchval("SELECT count(*) FROM sessions")

    for spelling in {*spellings(used), used[:3] + " " + used[3:], wide(used), arabic(used)}:
        at_sign_in = await show_factor(world, await ask_for_factor(world), code=spelling)
        once_more = await world.api.post(
            "/me/reauthenticate", json={"code": spelling}, headers=ada.headers
        )
        assert {at_sign_in.status_code, once_more.status_code} <= {401, 422}, spelling
    assert await world.db.fetchval("SELECT count(*) FROM sessions") == before


async def test_52_the_code_that_confirmed_an_authenticator_is_used(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await begin_totp(world, ada, clock)
    used = app.code()
    spaced = f"{used[:3]} {used[3:]}"
    assert (await confirm_totp(world, ada, app, spaced)).status_code == 200

    for spelling in (used, spaced, wide(used), arabic(used)):
        answer = await show_factor(world, await ask_for_factor(world), code=spelling)
        assert answer.status_code in {401, 422}, spelling


async def use_recovery(world: World, token: str) -> httpx.Response:
    return await recover(world, token, "another horse 4711")


async def use_change_of_address(world: World, token: str) -> httpx.Response:
    ada = await world.log_in()
    return await world.api.post("/me/email/confirm", json={"token": token}, headers=ada.headers)


@pytest.mark.parametrize(
    ("kind", "use"),
    [(Kind.RECOVER, use_recovery), (Kind.CHANGE_EMAIL, use_change_of_address)],
)
async def test_52_a_used_link_stays_used_in_any_spelling(
    world: World, kind: Kind, use: Callable[[World, str], Awaitable[httpx.Response]]
) -> None:
    user_id = await world.make_user()
    async with world.db.begin() as tx:
        token = await world.service(OneTimeTokens).issue(
            tx, user_id, kind, email=Email.parse("ada@example.com")
        )
    assert (await use(world, token)).status_code == 204
    before = await world.db.fetchrow("SELECT * FROM users WHERE id = $1", user_id)

    for spelling in spellings_of_bytes(token, "kfl_"):
        answer = await use(world, spelling)
        assert answer.status_code in {400, 422}, spelling
    assert await world.db.fetchrow("SELECT * FROM users WHERE id = $1", user_id) == before


async def test_52_a_used_token_between_two_factors_stays_used_in_any_spelling(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    clock.advance(30)
    token = await ask_for_factor(world)
    assert (await show_factor(world, token, code=app.code())).status_code == 200
    clock.advance(30)

    for spelling in spellings_of_bytes(token, "kfm_"):
        answer = await show_factor(world, spelling, code=app.code())
        assert answer.status_code in {401, 422}, spelling


def spellings_of_id(name: str) -> list[str]:
    return [
        name,
        name.upper(),
        name.replace("-", ""),
        f"urn:uuid:{name}",
        f"{{{name}}}",
        wide(name),
    ]


async def test_52_a_used_challenge_stays_used_in_any_spelling_of_its_id(world: World) -> None:
    await world.make_user()
    ada = await world.log_in()
    adding = await begin_adding(world, ada)
    passkey = Passkey()
    made = passkey.make(adding["options"])
    begun = await begin_sign_in(world)

    async def add(challenge_id: str) -> httpx.Response:
        body = {"challenge_id": challenge_id, "name": "Key", "credential": made}
        return await world.api.post("/me/factors/passkeys", json=body, headers=ada.headers)

    async def sign_in(challenge_id: str) -> httpx.Response:
        shown = {**begun, "challenge_id": challenge_id}
        return await finish_sign_in(world, shown, passkey.answer(begun["options"]))

    for use, challenge_id in ((add, adding["challenge_id"]), (sign_in, begun["challenge_id"])):
        assert (await use(challenge_id)).is_success
        for spelling in spellings_of_id(challenge_id):
            assert (await use(spelling)).status_code in {400, 401, 422}, spelling


async def test_52_a_used_refresh_token_stays_used_in_any_spelling(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    used = await world.log_in()
    fresh = SignedIn.of(await world.refresh(used.refresh))
    clock.advance(3600)

    for spelling in spellings_of_bytes(used.refresh, "kfr_") - {used.refresh}:
        assert (await world.refresh(spelling)).status_code in {401, 422}, spelling
    fresh = SignedIn.of(await world.refresh(fresh.refresh))  # none of them was the token at all
    assert (await world.refresh(used.refresh)).status_code == 401
    assert (await world.refresh(fresh.refresh)).status_code == 401  # this was: it is reuse


async def test_52_a_passkey_is_one_in_any_spelling_of_its_id(world: World) -> None:
    """The same credential for another user, and an answer: bytes are compared, not text."""
    await world.make_user()
    await world.make_user("eve@example.com", PASSWORD)
    ada, eve = await world.log_in(), await world.log_in("eve@example.com")
    passkey = await own_passkey(world, ada)
    for suffix in ("=", "==", "A", " "):
        begun = await begin_adding(world, eve)
        made = passkey.clone().make(begun["options"])
        for field in ("id", "rawId"):
            made[field] += suffix
        body = {"challenge_id": begun["challenge_id"], "name": "Key", "credential": made}
        answer = await world.api.post("/me/factors/passkeys", json=body, headers=eve.headers)
        assert answer.status_code in {400, 409, 422}, suffix
    assert await world.db.fetchval("SELECT count(*) FROM factors") == 1
