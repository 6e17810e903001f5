import asyncio

import pytest

from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.service import Reservation

ADA = "ada@example.com"
HOME = "203.0.113.7"
ATTACKER = "198.51.100.1"


async def reserve(limits, account=ADA, client=HOME, known_client=False):
    """Return the reservation; None if the throttle would refuse a wrong password."""
    try:
        reservation = await limits.sign_in.reserve(account, client)
    except TooManyAttempts:
        return None
    return reservation if known_client or reservation.refusal is None else None


async def test_fifty_guesses_at_once_on_two_instances_find_exactly_the_places_there_are(build):
    one, two = build(limit_login_pair="5/minute;20/hour;60/day", limit_login_account="10/minute")

    answers = await asyncio.gather(*(reserve(limits) for limits in [one, two] * 25))

    assert sum(answer is not None for answer in answers) == 5


async def test_fifty_addresses_at_once_find_exactly_the_account_s_places(build):
    one, two = build(limit_login_pair="5/minute", limit_login_account="10/minute;40/hour")

    answers = await asyncio.gather(
        *(
            reserve(limits, client=f"198.51.100.{host}")
            for host, limits in enumerate([one, two] * 25)
        )
    )

    assert sum(answer is not None for answer in answers) == 10


async def test_delays_grow_from_window_to_window(build, clock):
    limits, _ = build(limit_login_pair="2/minute;4/hour;5/day", limit_login_account="100/minute")

    waits = []
    while len(waits) < 3:
        try:
            await limits.sign_in.reserve(ADA, HOME)
        except TooManyAttempts as refusal:
            waits.append(int(refusal.headers["Retry-After"]))
            clock.advance(waits[-1])

    assert waits == [60, 3540, 86400 - 3600]


async def test_others_cannot_lock_the_owner_out(build):
    limits, _ = build(limit_login_pair="5/minute", limit_login_account="10/minute")
    for host in range(20):
        await reserve(limits, client=f"198.51.100.{host}")

    assert await reserve(limits, client="192.0.2.1") is None
    assert await reserve(limits, known_client=True)


async def test_a_known_client_is_held_by_its_pair_s_places_alone(build):
    limits, _ = build(limit_login_pair="3/minute", limit_login_account="1/minute")

    found = [await reserve(limits, known_client=True) for _ in range(4)]

    assert [place is not None for place in found] == [True, True, True, False]


async def test_the_account_s_places_are_taken_alike_from_wherever_and_filled_once(build):
    limits, _ = build(limit_login_pair="9/minute", limit_login_account="2/minute")

    at_home = [await limits.sign_in.reserve(ADA, HOME) for _ in range(4)]

    assert [one.refusal is not None for one in at_home] == [False, False, True, True]
    assert [len(one.account) for one in at_home] == [1, 1, 0, 0]
    assert [one.pair[0].count for one in at_home] == [1, 2, 3, 4]
    assert await reserve(limits, client=ATTACKER) is None


async def test_a_refusal_by_the_pair_takes_nothing_from_the_account(build):
    limits, _ = build(limit_login_pair="2/minute", limit_login_account="4/minute")
    for _ in range(10):
        await reserve(limits, client=ATTACKER)

    assert await reserve(limits)
    assert await reserve(limits)
    assert await reserve(limits, client="192.0.2.1") is None


async def test_a_refusal_by_the_account_counts_in_the_pair_and_no_more_in_the_account(build, clock):
    limits, _ = build(limit_login_pair="2/minute;3/hour", limit_login_account="1/minute;3/hour")
    await reserve(limits, client=ATTACKER)

    refusals = [(await limits.sign_in.reserve(ADA, HOME)).refusal for _ in range(2)]
    with pytest.raises(TooManyAttempts) as by_pair:
        await limits.sign_in.reserve(ADA, HOME)
    clock.advance(60)
    late = await limits.sign_in.reserve(ADA, HOME)

    assert [one.headers["Retry-After"] for one in (*refusals, by_pair.value)] == ["60"] * 3
    assert [one.headers["RateLimit"] for one in refusals] == [
        '"login-pair-60";r=1;t=60, "login-pair-3600";r=2;t=3600',
        '"login-pair-60";r=0;t=60, "login-pair-3600";r=1;t=3600',
    ]
    assert [tally.count for tally in late.pair] == [1, 3]
    assert [tally.count for tally in late.account] == [1, 2]


async def test_a_refused_attempt_that_was_right_after_all_empties_the_pair_alone(build):
    limits, _ = build(limit_login_pair="2/minute", limit_login_account="1/minute")
    await reserve(limits, client=ATTACKER)

    for _ in range(5):
        await limits.sign_in.forgive(await limits.sign_in.reserve(ADA, HOME))

    assert await reserve(limits, known_client=True)
    assert await reserve(limits, client="192.0.2.1") is None


async def test_the_right_password_gives_the_attempt_back_and_empties_the_pair(build):
    limits, _ = build(limit_login_pair="4/minute;4/hour", limit_login_account="4/minute")
    await reserve(limits)
    await reserve(limits)

    await limits.sign_in.forgive(await reserve(limits))

    # The account keeps its two failures, the pair none.
    assert [bool(await reserve(limits)) for _ in range(3)] == [True, True, False]
    assert [bool(await reserve(limits, known_client=True)) for _ in range(2)] == [True, False]


async def test_signing_in_all_day_is_never_throttled(build):
    limits, _ = build()

    for _ in range(70):
        await limits.sign_in.forgive(await reserve(limits))

    assert await reserve(limits)


async def test_an_attempt_whose_password_was_not_checked_leaves_the_others_counted(build):
    limits, _ = build(limit_login_pair="2/minute", limit_login_account="2/minute")
    await reserve(limits)

    await limits.sign_in.withdraw(await reserve(limits))

    assert [bool(await reserve(limits)) for _ in range(2)] == [True, False]


async def test_what_is_given_back_late_takes_nothing_from_the_next_window(build, clock):
    limits, _ = build(limit_login_pair="9/minute", limit_login_account="2/minute")
    slow = await reserve(limits, client=ATTACKER)
    clock.advance(61)
    assert await reserve(limits)

    await limits.sign_in.forgive(slow)

    assert [bool(await reserve(limits)) for _ in range(2)] == [True, False]


async def test_giving_back_twice_never_makes_room_below_zero(build):
    limits, _ = build(limit_login_pair="9/minute", limit_login_account="2/minute")
    reservation = await reserve(limits)
    for _ in range(3):
        await limits.sign_in.withdraw(reservation)

    assert [bool(await reserve(limits)) for _ in range(3)] == [True, True, False]


async def test_attempts_and_givings_back_at_once_never_deadlock(build):
    one, two = build(limit_login_pair="1000/minute;2000/hour", limit_login_account="3/minute")

    async def try_often(limits, client):
        for _ in range(10):
            if reservation := await reserve(limits, client=client, known_client=True):
                await limits.sign_in.forgive(reservation)
            if reservation := await reserve(limits, client=client):
                await limits.sign_in.withdraw(reservation)

    await asyncio.gather(
        *(try_often(limits, f"198.51.100.{host % 3}") for host in range(5) for limits in (one, two))
    )

    left = [bool(await reserve(one, client="192.0.2.1")) for _ in range(4)]
    assert left == [True, True, True, False]


async def test_accounts_and_clients_are_not_confused(build):
    limits, _ = build(limit_login_pair="1/minute", limit_login_account="1/minute")
    strange = ["ada@example.com/1", "", "/", "\ud800", "ada@example.com", "1/ada@example.com"]

    assert all([await reserve(limits, account=account) for account in strange])
    assert not any([await reserve(limits, account=account) for account in strange])


async def test_the_refusal_has_its_own_code_and_the_fields_of_the_pair_alone(build):
    limits, _ = build(limit_login_pair="1/minute", limit_login_account="5/minute")
    await limits.sign_in.reserve(ADA, HOME)

    with pytest.raises(TooManyAttempts) as refusal:
        await limits.sign_in.reserve(ADA, HOME)

    assert refusal.value.code == "too_many_attempts"
    assert refusal.value.headers == {
        "Retry-After": "60",
        "RateLimit-Policy": '"login-pair";q=1;w=60',
        "RateLimit": '"login-pair";r=0;t=60',
    }


async def test_nothing_reserved_is_nothing_to_give_back(build):
    limits, _ = build()

    await limits.sign_in.forgive(Reservation())
    await limits.sign_in.withdraw(Reservation())

    assert await reserve(limits)
