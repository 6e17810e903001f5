"""A change of the algorithm is a rotation, made once, even if instances disagree."""

import asyncio

import pytest
from structlog.testing import capture_logs
from tests.fixtures.clock import MovableClock
from tests.tokens.conftest import MakeKeyring, MakeTokens
from tests.tokens.keys import CLAIMS, published, states

from keyfob.core.database import Database
from keyfob.tokens.errors import TokenRejected


async def test_the_algorithm_of_new_keys_may_change_while_old_ones_verify(
    make_keyring: MakeKeyring, make_tokens: MakeTokens, clock: MovableClock
) -> None:
    before = make_keyring("EdDSA")
    await before.load()
    after = make_keyring("ES256")
    await after.rotate()
    clock.advance(3600)
    token = make_tokens(before).issue(CLAIMS)[0]

    assert after.active().algorithm == "ES256"
    assert make_tokens(after).verify(token).claims == CLAIMS


async def test_another_algorithm_is_a_rotation_that_workers_make_once_when_they_start(
    db: Database, make_keyring: MakeKeyring, make_tokens: MakeTokens, clock: MovableClock
) -> None:
    before = make_keyring("EdDSA")
    await before.load()
    old_token = make_tokens(before).issue(CLAIMS)[0]
    clock.advance(days=3)

    workers = [make_keyring("ES256") for _ in range(4)]
    with capture_logs() as said:
        await asyncio.gather(*(worker.rotate_when_due() for worker in workers))
        await asyncio.gather(*(worker.rotate_when_due() for worker in workers))

    assert [key["algorithm"] for key in await before.list_all()] == ["EdDSA", "ES256"]
    assert await states(before) == ["active", "next"]
    for worker in workers:
        assert len(published(worker)) == 2
        assert worker.active().algorithm == "EdDSA"
    clock.advance(3599)
    assert {worker.active().algorithm for worker in (before, *workers)} == {"EdDSA"}
    await before.load()
    clock.advance(1)
    assert {worker.active().algorithm for worker in (before, *workers)} == {"ES256"}
    assert make_tokens(before).verify(make_tokens(workers[0]).issue(CLAIMS)[0]).claims == CLAIMS
    with pytest.raises(TokenRejected, match="expired"):  # and not for its key
        make_tokens(workers[0]).verify(old_token)
    (line,) = [line for line in said if line["event"] == "signing_algorithm_changes"]
    assert (line["log_level"], line["now"], line["then"]) == ("warning", "EdDSA", "ES256")
    assert line["signs_from"] == workers[0].active().signs_from.isoformat()


async def test_instances_that_disagree_about_the_algorithm_do_not_take_turns(
    db: Database, make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    """As while they are restarted one by one, or for good: the one that started last is heard."""
    old, new = make_keyring("EdDSA"), make_keyring("ES256")
    await old.rotate_when_due()
    await new.rotate_when_due()

    async def go_on() -> list[str]:
        for _ in range(6):
            clock.advance(hours=1)
            for worker in (old, new):
                await worker.rotate_when_due()
        return [key["algorithm"] for key in await new.list_all()]

    assert await go_on() == ["EdDSA", "ES256"]
    old = make_keyring("EdDSA")
    assert await go_on() == ["EdDSA", "ES256", "EdDSA"]


async def test_another_algorithm_that_waits_for_a_next_key_says_until_when(
    make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    before = make_keyring("EdDSA")
    await before.load()
    await before.rotate()
    signs_from = before.newest().signs_from
    clock.advance(600)

    worker = make_keyring("ES256")
    with capture_logs() as said:
        await worker.rotate_when_due()
        await worker.rotate_when_due()

    (line,) = [line for line in said if line["event"] == "signing_algorithm_waits"]
    assert (line["log_level"], line["then"]) == ("warning", "ES256")
    assert line["until"] == signs_from.isoformat()
    assert len(await worker.list_all()) == 2
    clock.advance(3000)
    with capture_logs() as said:
        await worker.rotate_when_due()
    assert [line["event"] for line in said] == ["signing_key_made", "signing_algorithm_changes"]


async def test_who_changes_their_mind_within_the_hour_gets_what_was_set_last(
    make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    await make_keyring("EdDSA").rotate_when_due()
    await make_keyring("ES256").rotate_when_due()
    last = make_keyring("EdDSA")
    for _ in range(180):  # as its chore does, once a minute
        await last.rotate_when_due()
        clock.advance(60)

    assert [key["algorithm"] for key in await last.list_all()] == ["EdDSA", "ES256", "EdDSA"]
    assert last.active().algorithm == "EdDSA"
