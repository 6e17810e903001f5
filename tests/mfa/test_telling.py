"""Mails to the owner about factors, and events that nobody is told of."""

import base64
import logging
from collections.abc import Iterator

import pytest
from tests.abuse.test_planted_secrets import dumped
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    add_totp,
    ask_for_factor,
    begin_totp,
    confirm_totp,
    show_factor,
    wrong_code,
)
from tests.fixtures.logs import Log, captured_log
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import SignedIn, World


@pytest.fixture
def log() -> Iterator[Log]:
    with captured_log() as log:
        yield log


async def test_the_owner_is_told_of_each_change(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock, "Ada's phone")
    added = await mailbox.next("ada@example.com", subject="factor was added")
    ada = SignedIn.of(await world.refresh(ada.refresh))

    await world.api.post("/me/factors/recovery-codes", headers=ada.headers)
    renewed = await mailbox.next("ada@example.com", subject="new recovery codes")
    await world.api.delete(f"/me/factors/{app.id}", headers=ada.headers)
    removed = await mailbox.next("ada@example.com", subject="factor was removed")

    for mail in (added, removed):
        assert "Ada's phone" in mail.text
    for mail in (added, renewed, removed):
        assert "203.0.113.7" in mail.text


async def test_the_owner_is_told_of_a_recovery_code_that_was_used(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)

    await show_factor(world, await ask_for_factor(world), recovery_code=app.recovery_codes[0])

    mail = await mailbox.next("ada@example.com", subject="recovery code was used")
    assert "9" in mail.text
    assert not [code for code in app.recovery_codes if code in mail.text]


async def test_a_refused_change_tells_nobody(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    begun = await begin_totp(world, ada, clock)
    await confirm_totp(world, ada, begun, wrong_code(begun))
    await world.api.post("/me/factors/recovery-codes", headers=ada.headers)

    await mailbox.assert_none(world, "ada@example.com")


async def test_no_secret_is_in_logs_dump_or_audit(
    log: Log, world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    clock.advance(30)
    token, spent = await ask_for_factor(world), await ask_for_factor(world)
    used = app.code()
    wrong = await show_factor(world, token, code=wrong_code(app))
    await show_factor(world, spent, code=used)
    await show_factor(world, token, recovery_code=app.recovery_codes[0])
    await world.api.post("/login/mfa", json={"mfa_token": [token], "code": {"x": used}})

    raw = base64.b32decode(app.secret)
    codes = [*app.recovery_codes, *(code.replace("-", "") for code in app.recovery_codes)]
    secrets = [app.secret, raw.hex(), token, token.removeprefix("kfm_"), *codes]
    assert len(log.events) > 10
    assert not [secret for secret in secrets if secret in log.getvalue()]
    assert not [secret for secret in [*secrets, used] if secret in wrong.text]
    for table, text in (await dumped(world)).items():
        assert not [secret for secret in secrets if secret in text], table
    assert logging.getLogger("keyfob").isEnabledFor(logging.DEBUG)  # nothing was held back
