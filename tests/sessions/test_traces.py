"""Every end of a session is in the login log: which session, why, and the owner's address."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.links import (
    OTHER,
    ask,
    forget_proof,
    recover,
    recovery_token,
    token_from,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.metrics import value_of
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

from keyfob.login_log.models import Reason
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import SESSIONS_ENDED

GRACE = 10
ELSEWHERE = "198.51.100.99"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"

Act = Callable[[World, Mailbox, MovableClock, SignedIn, SignedIn], Awaitable[Any]]


def owner(world: World, signed_in: SignedIn) -> Any:
    """Return a client of the owner, at an address without sign-ins."""
    return world.client(ELSEWHERE, **{"User-Agent": FIREFOX, **signed_in.headers})


async def sign_out(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    (await owner(world, ada).delete("/logout")).raise_for_status()


async def sign_out_by_token(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    body = {"token": ada.refresh}
    (await owner(world, other).request("DELETE", "/logout", json=body)).raise_for_status()


async def sign_out_of_the_list(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    path = f"/me/sessions/{ada.session_id}"
    (await owner(world, other).delete(path)).raise_for_status()


async def sign_out_everywhere(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    (await owner(world, ada).delete("/logout-all")).raise_for_status()


async def change_password(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    body = {"current_password": PASSWORD, "password": OTHER}
    (await owner(world, other).post("/me/password", json=body)).raise_for_status()


async def recover_password(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    token = await recovery_token(world, mailbox)
    body = {"token": token, "password": OTHER}
    client = world.client(ELSEWHERE, **{"User-Agent": FIREFOX})
    (await client.post("/recover/confirm", json=body)).raise_for_status()


async def prove_address(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    """By a link alone, as a reader without a password does."""
    await forget_proof(world)
    await ask(world, "/verify-email/request")
    body = {"token": await token_from(mailbox)}
    client = world.client(ELSEWHERE, **{"User-Agent": FIREFOX})
    (await client.post("/verify-email/confirm", json=body)).raise_for_status()


async def be_stolen(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    (await world.refresh(ada.refresh)).raise_for_status()
    clock.advance(GRACE)
    assert (await world.refresh(ada.refresh)).status_code == 401


async def be_signed_out(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    await administrate(world, "DELETE", "/logout-all")


async def be_blocked(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    await administrate(world, "PATCH", "", json={"status": "blocked"})


async def be_moved(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    await administrate(world, "PATCH", "", json={"email": "new@example.com"})


async def be_reset(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    await administrate(world, "POST", "/factors/reset")


async def be_removed(
    world: World, mailbox: Mailbox, clock: MovableClock, ada: SignedIn, other: SignedIn
) -> None:
    await administrate(world, "DELETE", "")


async def administrate(world: World, method: str, path: str, **request: Any) -> None:
    root = await world.make_admin()
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    answer = await world.api.request(
        method, f"/admin/users/{user_id}{path}", headers=root.headers, **request
    )
    answer.raise_for_status()


ONE, ALL = True, False
BY_OWNER, BY_OTHERS = (ELSEWHERE, "Firefox 132"), (None, None)

# What is done, the reason in the log, one session or all, and what is told of where.
ACTS: list[tuple[Act, str, bool, tuple[str | None, str | None]]] = [
    (sign_out, "logout", ONE, BY_OWNER),
    (sign_out_by_token, "ended_by_owner", ONE, BY_OWNER),
    (sign_out_of_the_list, "ended_by_owner", ONE, BY_OWNER),
    (sign_out_everywhere, "logout_everywhere", ALL, BY_OWNER),
    (change_password, "password_changed", ALL, BY_OWNER),
    (recover_password, "password_recovered", ALL, BY_OWNER),
    (prove_address, "address_proven", ALL, BY_OWNER),
    (be_stolen, "reuse", ONE, BY_OTHERS),
    (be_signed_out, "ended_by_admin", ALL, BY_OTHERS),
    (be_reset, "factors_reset", ALL, BY_OTHERS),
    (be_moved, "address_moved", ALL, BY_OTHERS),
    (be_blocked, "blocked", ALL, BY_OTHERS),
    (be_removed, "deleted", ALL, BY_OTHERS),
]


def test_each_reason_is_tried_and_has_its_name_in_the_log() -> None:
    # In test_most_sessions.py and test_unverified.py, and in tests/oauth/test_revocation.py.
    tried_elsewhere = {EndReason.TOO_MANY, EndReason.UNVERIFIED, EndReason.CLIENT}
    assert {reason for _, reason, *_ in ACTS} == {str(one) for one in EndReason} - tried_elsewhere
    assert {str(reason) for reason in EndReason} <= {str(reason) for reason in Reason}


@pytest.mark.parametrize(
    ("act", "reason", "one", "where"), ACTS, ids=[act.__name__ for act, *_ in ACTS]
)
async def test_what_ends_sessions_stands_in_the_login_log(
    mailbox: Mailbox,
    world: World,
    clock: MovableClock,
    act: Act,
    reason: str,
    one: bool,
    where: tuple[str | None, str | None],
) -> None:
    user_id = await world.make_user()
    ada, other = await world.log_in(), await world.log_in()
    counter = SESSIONS_ENDED.labels(reason)
    counted = value_of(counter)

    await act(world, mailbox, clock, ada, other)

    rows = [row for row in await world.login_log() if row["outcome"] == "ended"]
    assert [row["reason"] for row in rows] == [reason]
    row, gone = rows[0], reason == "deleted"
    assert row["user_id"] == (None if gone else user_id)
    assert str(row["session_id"]) == (ada.session_id if one else "None")
    assert (row["ip_address"] and str(row["ip_address"]), row["browser"]) == where
    assert row["email"] is None
    ended = await world.db.fetch("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL")
    assert {session["end_reason"] for session in ended} == (set() if gone else {reason})
    assert value_of(counter) - counted == (2 if gone else len(ended))


async def test_what_ends_nothing_leaves_no_trace(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada, other = await world.log_in(), await world.log_in()
    body = {"token": ada.refresh}
    for _ in range(3):
        await world.api.request("DELETE", "/logout", json=body, headers=other.headers)
        await world.api.delete(f"/me/sessions/{ada.session_id}", headers=other.headers)
    clock.advance(1)
    await administrate(world, "DELETE", "/logout-all")
    await world.db.execute("DELETE FROM users WHERE role = 'admin'")
    await administrate(world, "DELETE", "/logout-all")

    ends = [row["reason"] for row in await world.login_log() if row["outcome"] == "ended"]
    assert ends == ["ended_by_owner", "ended_by_admin"]


async def test_owner_and_administrator_read_it_and_filter_by_it(
    world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    root = await world.make_admin()
    gone, ada = await world.log_in(), await world.log_in()
    clock.advance(1)
    await world.api.delete("/logout", headers=gone.headers)

    own = (await world.api.get("/me/logins", headers=ada.headers)).json()
    ended, all_of_user, refused = [
        (await world.api.get(path, headers=root.headers)).json()
        for path in (
            "/admin/logins?outcome=ended",
            f"/admin/users/{user_id}/logins",
            "/admin/logins?outcome=refused",
        )
    ]

    assert [(one["outcome"], one["reason"]) for one in own] == [
        ("ended", "logout"),
        ("succeeded", "password"),
        ("succeeded", "password"),
    ]
    assert own == all_of_user
    assert ended == own[:1]
    assert (ended[0]["session_id"], ended[0]["ip_address"]) == (gone.session_id, CLIENT)
    assert refused == []


async def test_a_sign_out_makes_no_network_and_no_device_a_known_one(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    # Threat: who stole an access token signs out with it, and their network has a throttle of the
    # owner's own from then on, and their sign-in with a stolen password is no news.
    await world.make_user()
    await sign_out(world, mailbox, clock, await world.log_in(), await world.log_in())

    client = world.client(ELSEWHERE, **{"User-Agent": FIREFOX})
    await world.log_in(by=client)

    mail = await mailbox.next("ada@example.com", subject="A sign-in from a new device")
    assert ELSEWHERE in mail.text


async def test_recovery_stands_there_as_before(mailbox: Mailbox, world: World) -> None:
    await world.make_user()
    await recover(world, await recovery_token(world, mailbox))

    rows = [(row["outcome"], row["reason"]) for row in await world.login_log()]
    assert rows == [("succeeded", "recovered")], "nobody was signed in"
