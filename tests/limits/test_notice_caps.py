"""The number of notices that one mailbox gets, and those that are sent in any case."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.metrics import value_of
from tests.fixtures.waiting import until
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.limits.mail_caps import MAILS_CAPPED
from keyfob.mail.mails import KINDS, Content, PasswordChanged, read_content
from keyfob.mail.service import Mail
from keyfob.settings import Settings

BOX = "box@example.com"
STAYS, WILL_GO = "Your account stays", "Your account will be erased"
CHANGED = "Your password was changed"
# The limits of routes are another matter: here the mails alone are counted.
MANY = "10000/minute"
ROUTES = dict.fromkeys(
    ("limit_register", "limit_me_password", "limit_me_factors", "limit_me", "limit_me_address"),
    MANY,
)


@pytest.fixture
async def limited(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """The service with its caps as they are shipped."""
    async with World(settings.model_copy(update={"limits": "on", **ROUTES}), clock) as world:
        yield world


async def sign_up(world: World, email: str = BOX) -> SignedIn:
    body = {"email": email, "password": PASSWORD}
    return SignedIn.of(await world.api.post("/register", json=body))


async def change_password(world: World, caller: SignedIn, number: int = 0) -> SignedIn:
    body = {"current_password": PASSWORD, "password": f"another horse {number:04}"}
    return SignedIn.of(await world.api.post("/me/password", json=body, headers=caller.headers))


async def wish_to_go_and_to_stay(world: World, caller: SignedIn, times: int) -> None:
    for _ in range(times):
        gone = await world.api.delete("/me", headers=caller.headers)
        stays = await world.api.post("/me/keep", headers=caller.headers)
        assert (gone.status_code, stays.status_code) == (202, 204)


async def prove(world: World, email: str = BOX) -> None:
    await world.db.execute(
        "UPDATE users SET email_verified_at = now() WHERE email_normal = $1", email
    )


async def tell(world: World, user_id: UUID, kind: type[Content], times: int = 1) -> None:
    for _ in range(times):
        async with world.db.begin() as tx:
            content = read_content(kind.template, {"erase_at": "tomorrow"})
            await world.service(Mail).tell(tx, user_id, content)


def subjects(mailbox: Mailbox) -> Counter[str]:
    return Counter(mail.subject for mail in mailbox.mails)


async def test_an_account_that_is_not_proven_fills_no_mailbox(
    mailbox: Mailbox, limited: World
) -> None:
    """Threat: whoever signed up with another's address changes its mind in turn, a hundred times.

    That it was done is told; how often is in the log and in a metric.
    """
    capped = value_of(MAILS_CAPPED)
    stranger = await sign_up(limited)
    with captured_log() as log:
        await wish_to_go_and_to_stay(limited, stranger, 50)
        await mailbox.settled(limited)

    assert subjects(mailbox) == {WILL_GO: 3, STAYS: 3}
    assert value_of(MAILS_CAPPED) == capped + 100 - len(mailbox.mails)
    dropped = log.named("mail_capped")
    assert {one["sort"] for one in dropped} == {"erasure_planned", "erasure_cancelled"}
    assert {one["to"] for one in dropped} == {"b***@example.com"}


async def test_a_proven_address_is_told_more_and_no_end_of_it(
    mailbox: Mailbox, limited: World
) -> None:
    owner = await sign_up(limited)
    await prove(limited)
    await wish_to_go_and_to_stay(limited, owner, 50)
    await mailbox.settled(limited)

    assert subjects(mailbox) == {WILL_GO: 10, STAYS: 10}


@pytest.mark.parametrize("proven", [False, True])
async def test_noise_of_one_sort_hides_no_notice_of_another(
    mailbox: Mailbox, limited: World, proven: bool
) -> None:
    """Threat: a thief of a session makes many harmless notices before the one that matters."""
    owner = await sign_up(limited)
    user_id = await limited.db.fetchval("SELECT id FROM users")
    if proven:
        await prove(limited)
    noise = [kind for kind in KINDS.values() if not kind.page and kind is not PasswordChanged]
    for kind in noise:
        await tell(limited, user_id, kind, 15)
    await mailbox.settled(limited)
    mailbox.mails.clear()

    await change_password(limited, owner)

    await mailbox.next(BOX, subject=CHANGED)


@pytest.mark.parametrize("proven", [False, True])
@pytest.mark.parametrize("turns", [2, 3, 4, 9, 10, 11])
async def test_who_is_told_that_all_is_well_is_told_as_well_when_silence_means_nothing(
    mailbox: Mailbox, limited: World, clock: MovableClock, proven: bool, turns: int
) -> None:
    """Threat: a thief plans and cancels until no more notices are sent, and then plans."""
    thief = await sign_up(limited)
    if proven:
        await prove(limited)
    await wish_to_go_and_to_stay(limited, thief, turns)
    await limited.api.delete("/me", headers=thief.headers)
    await mailbox.settled(limited)

    until = (clock.now() + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M UTC")
    planned = [mail for mail in mailbox.mails if mail.subject == WILL_GO]
    last = [mail for mail in planned if f"before {until}" in " ".join(mail.text.split())]
    most = 10 if proven else 3
    assert (len(planned), len(last)) == (min(turns + 1, most), int(turns + 1 >= most))


async def test_tags_of_one_mailbox_are_one_mailbox(mailbox: Mailbox, limited: World) -> None:
    for number in range(30):
        stranger = await sign_up(limited, f"box+{number}@example.com")
        await change_password(limited, stranger)
    await mailbox.settled(limited)
    assert 0 < len(mailbox.mails) <= 10
    mailbox.mails.clear()

    # And whoever makes them uses up nothing of the owner's.
    await change_password(limited, await sign_up(limited))
    await mailbox.next(BOX, subject=CHANGED)


async def test_who_cannot_be_sure_of_a_tag_is_told_by_a_proof(
    mailbox: Mailbox, limited: World
) -> None:
    """If a `+` is a letter like any other, an owner's address is not another user's tag."""
    owner = await limited.make_user("box+mine@example.com")
    await prove(limited, "box+mine@example.com")
    for number in range(30):
        await change_password(limited, await sign_up(limited, f"box+{number}@example.com"))
    await mailbox.settled(limited)

    await tell(limited, owner, PasswordChanged)
    await mailbox.next("box+mine@example.com", subject=CHANGED)


async def test_made_up_devices_and_the_owner_s_own_are_counted_by_their_address(
    mailbox: Mailbox, limited: World, clock: MovableClock
) -> None:
    await sign_up(limited)
    for number in range(8):
        await limited.attempt_login(BOX, by=f"198.51.{number}.1")
    await mailbox.settled(limited)
    assert subjects(mailbox) == {"A sign-in from a new device": 3}

    clock.advance(hours=1)
    await limited.attempt_login(BOX, by="192.0.2.1")
    await mailbox.settled(limited)
    assert subjects(mailbox) == {"A sign-in from a new device": 4}


async def test_a_mail_that_is_tried_again_is_counted_once(
    mailbox: Mailbox, limited: World, clock: MovableClock
) -> None:
    user_id = await limited.make_user(BOX)
    mailbox.answers = ["451 later"] * 3
    await tell(limited, user_id, PasswordChanged, 3)

    async def all_tried() -> bool:
        return bool(
            await limited.db.fetchval(
                "SELECT count(*) = 3 FROM outbox WHERE last_error = '451 later'"
            )
        )

    await until(all_tried)
    clock.advance(5)
    limited.wiring.runner.wake()
    await mailbox.settled(limited)

    assert subjects(mailbox) == {CHANGED: 3}


async def test_nothing_is_capped_where_limits_are_off(mailbox: Mailbox, world: World) -> None:
    user_id = await world.make_user(BOX)
    await tell(world, user_id, PasswordChanged, 20)
    await mailbox.settled(world)

    assert len(mailbox.mails) == 20
