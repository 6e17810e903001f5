"""Changing the e-mail address: verified at the new one, announced at the old one."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World
from tests.own_account.moving import NEW, confirm, email_of, issue, request

from keyfob.accounts.email import Email
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.settings import Settings

DELIVERED = "Countess@example.org"


async def test_the_whole_way(mailbox: Mailbox, world: World) -> None:
    user_id = await world.make_user("Ada@Example.com", name="Ada")
    ada = await world.log_in("ada@example.com")

    asked = await request(world, ada)

    assert (asked.status_code, asked.content) == (202, b"")
    assert await email_of(world, ada) == "Ada@Example.com"
    mail = await mailbox.next(to=DELIVERED, subject="Confirm your new e-mail address")
    (token,) = mail.tokens()
    assert mail.links()[0].endswith(f"/ui/email#token={token}")

    confirmed = await confirm(world, ada, token)

    assert (confirmed.status_code, confirmed.content) == (204, b"")
    me = (await world.me(ada)).json()
    assert (me["email"], me["email_verified"], me["id"]) == (NEW, True, str(user_id))
    told = await mailbox.next(to="Ada@example.com", subject="address was changed")
    assert "C***@example.org" in told.text or "c***@example.org" in told.text
    assert NEW not in told.text
    await mailbox.assert_none(world)
    assert (await world.log_in("countess@example.org")).session_id
    refused = await world.attempt_login()
    assert refused.status_code == 401
    event = next(e for e in await world.audit_log() if e["action"] == "user.email_changed")
    assert (event["actor_id"], event["old_values"], event["new_values"]) == (
        user_id,
        {"email": "a***@example.com"},
        {"email": "c***@example.org"},
    )


async def test_the_mail_to_a_stranger_s_address_carries_no_words_of_the_user(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user(name="Cheap pills at example.net")
    ada = await world.log_in()

    await request(world, ada)

    mail = await mailbox.next(to=DELIVERED)
    assert "pills" not in mail.content.decode()


async def test_a_known_address_is_answered_alike_and_told_there(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user("bob@example.org", name="Bob")
    await world.make_user()
    ada = await world.log_in()

    with recorded_statements() as for_free:
        free = await request(world, ada)
    with recorded_statements() as for_taken:
        taken = await request(world, ada, "Bob@example.org")

    assert for_free == for_taken
    assert (free.status_code, free.content) == (taken.status_code, taken.content)
    mail = await mailbox.next(to="bob@example.org", subject="has an account already")
    assert mail.tokens() == []
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") <= 1


async def test_the_present_address_is_no_change(mailbox: Mailbox, world: World) -> None:
    await world.make_user()
    ada = await world.log_in()

    answers = [await request(world, ada, email) for email in ("ada@example.com", "ADA@example.com")]

    assert [answer.status_code for answer in answers] == [202, 202]
    await mailbox.assert_none(world)


async def test_an_address_gets_so_many_mails_and_no_more(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    capped = settings.model_copy(update={"limits": "on", "limit_mail": "2/hour"})
    async with World(capped, clock) as world:
        await world.make_user()
        ada = await world.log_in()

        answers = [await request(world, ada) for _ in range(4)]

        assert {answer.status_code for answer in answers} == {202}
        await mailbox.settled(world)
        # And one more, which lives six hours.
        assert [mail.to for mail in mailbox.mails] == [DELIVERED] * 3
        # The newest link that was sent is the one that works.
        statuses = [
            (await confirm(world, ada, mail.tokens()[0])).status_code
            for mail in sorted(mailbox.mails, key=lambda one: one.to)
        ]
        assert sorted(statuses) == [204, 400, 400]


async def test_strangers_who_meet_the_cap_keep_no_owner_from_moving(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    capped = settings.model_copy(update={"limits": "on", "limit_mail": "2/hour"})
    async with World(capped, clock) as world:
        await world.make_user("eve@example.com")
        await world.make_user()
        eve, ada = await world.log_in("eve@example.com"), await world.log_in()
        for _ in range(4):
            await request(world, eve)
        await mailbox.settled(world)
        mailbox.mails.clear()

        await request(world, ada)

        await mailbox.settled(world)
        tokens = [token for mail in mailbox.mails for token in mail.tokens()]
        assert len(tokens) == 1
        clock.advance(3600 * 5)
        ada = SignedIn.of(await world.refresh(ada.refresh))
        assert (await confirm(world, ada, tokens[0])).status_code == 204


async def test_so_many_changes_may_be_asked_for_and_no_more(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_me_email": "3/hour"})
    async with World(limited, clock) as world:
        await world.make_user()
        ada = await world.log_in()

        answers = [await request(world, ada, f"x{n}@example.org") for n in range(4)]

        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": None},
        {"email": "nowhere"},
        {"email": ["a@example.org"]},
        {"email": "a@example.org\r\nBcc: eve@example.com"},
        {"email": "\u0430da@example.org"},
        {"email": "a@example.org", "email_verified": True},
        {"email": "a" * 300 + "@example.org"},
    ],
)
async def test_what_is_no_address_is_refused(
    world: World, ada: SignedIn, body: dict[str, Any]
) -> None:
    answer = await world.api.post("/me/email", json=body, headers=ada.headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert await world.db.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_stale_sign_in_asks_for_nothing(
    world: World, ada: SignedIn, clock: MovableClock, settings: Settings
) -> None:
    clock.advance(settings.recent_sign_in + 1)
    later = SignedIn.of(await world.refresh(ada.refresh))

    answer = await request(world, later)

    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
    assert f'max_age="{settings.recent_sign_in}"' in answer.headers["www-authenticate"]
    assert await world.db.fetchval("SELECT count(*) FROM outbox") == 0


@pytest.mark.parametrize("token", ["kfl_", "x", "kfl_" + "A" * 43, "kfr_AAAA", "x" * 10_000])
async def test_what_is_no_token_of_ours_is_refused(
    world: World, ada: SignedIn, ada_id: UUID, token: str
) -> None:
    await issue(world, ada_id)

    answer = await confirm(world, ada, token)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_link")
    assert await email_of(world, ada) == "Ada@Example.com"


async def test_a_token_works_once_and_until_it_expires(
    world: World, ada: SignedIn, ada_id: UUID, clock: MovableClock, settings: Settings
) -> None:
    token = await issue(world, ada_id)
    assert (await confirm(world, ada, token)).status_code == 204
    assert (await confirm(world, ada, token)).json()["code"] == "invalid_link"

    late = await issue(world, ada_id, "late@example.org")
    clock.advance(settings.link_ttl)
    later = SignedIn.of(await world.refresh(ada.refresh))

    assert (await confirm(world, later, late)).json()["code"] == "invalid_link"
    assert await email_of(world, later) == NEW


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.CHANGE_EMAIL}))
async def test_a_token_of_another_kind_is_none(
    world: World, ada: SignedIn, ada_id: UUID, kind: Kind
) -> None:
    links = world.service(OneTimeTokens)
    async with world.db.begin() as tx:
        token = await links.issue(tx, ada_id, kind, email=Email.parse(NEW))

    assert (await confirm(world, ada, token)).json()["code"] == "invalid_link"
    assert await email_of(world, ada) == "Ada@Example.com"
    assert await world.db.fetchval("SELECT kind FROM one_time_tokens") == kind


async def test_another_s_token_is_refused_and_stays_good_for_its_owner(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    token = await issue(world, ada_id)
    await world.make_user("eve@example.com")
    eve = await world.log_in("eve@example.com")

    assert (await confirm(world, eve, token)).json()["code"] == "invalid_link"
    assert await email_of(world, eve) == "eve@example.com"
    assert (await confirm(world, ada, token)).status_code == 204


async def test_all_other_links_are_dead_then(world: World, ada: SignedIn, ada_id: UUID) -> None:
    links = world.service(OneTimeTokens)
    async with world.db.begin() as tx:
        for kind in (Kind.RECOVER, Kind.VERIFY_EMAIL):
            await links.issue(tx, ada_id, kind)
    token = await issue(world, ada_id)

    await confirm(world, ada, token)

    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0


async def test_what_a_change_of_address_leaves_has_times_of_whole_seconds(
    world: World, clock: MovableClock, mailbox: Mailbox
) -> None:
    """Finer ones tell how long the job took, which is longer for the address of an account."""
    await world.make_user()
    ada = await world.log_in()
    clock.advance(0.123456)
    asked = {"email": "next@example.net"}
    await world.api.post("/me/email", json=asked, headers=ada.headers)
    await mailbox.next(to="next@example.net")

    export = (await world.api.get("/me/export", headers=ada.headers)).json()

    times = [
        datetime.fromisoformat(value)
        for one in (*export["links"], *export["queued"])
        for name, value in one.items()
        if name.endswith("_at") and value
    ]
    assert [time.microsecond for time in times] == [0, 0]
