"""Keys that nobody made do not stand in the way of good ones."""

import asyncio
from typing import Any, cast

import pytest
from tests.issuer import AUDIENCE
from tests.test_api_keys import api_key

from keyfob_client import InvalidToken, Unavailable
from keyfob_client.api_keys import ApiKeys, with_checksum
from keyfob_client.fetching import Answer
from keyfob_client.metrics import Metrics
from keyfob_client.program import Issued, TokenRefused

ADA, BOB, CAT, DAN = (api_key(letter) for letter in "abcd")


def invented(number: int) -> str:
    return with_checksum("kfk_" + f"{number:043}")


class Endpoint:
    """Knows the keys of letters, and keeps those of strangers waiting while `holds`."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def ask(self, *, subject_token: str, **_: str) -> Issued:
        if subject_token[4].isdigit():
            await self.may_answer.wait()
            raise TokenRefused(cast("Answer", Refusal()), "invalid_request")
        return Issued(f"token of {subject_token[4]}", 300)


class Refusal:
    status = 400


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def keys(endpoint: Endpoint) -> ApiKeys:
    return ApiKeys(cast("Any", endpoint), resource=AUDIENCE, metrics=Metrics(), most=3)


async def show_invented(keys: ApiKeys, amount: int) -> None:
    for number in range(amount):
        with pytest.raises(InvalidToken):
            await keys.exchange(invented(number))


async def turn() -> None:
    """Let every task go on as far as it can."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_refusals_push_no_good_key_out(keys: ApiKeys) -> None:
    async def story() -> None:
        await keys.exchange(ADA)
        await show_invented(keys, 10)

    asyncio.run(story())

    assert keys.recall(ADA) == "token of a"
    with pytest.raises(InvalidToken):
        keys.recall(invented(9))


def test_of_good_keys_the_one_longest_unused_is_forgotten(keys: ApiKeys) -> None:
    async def story() -> None:
        for key in (ADA, BOB, CAT):
            await keys.exchange(key)
        keys.recall(ADA)
        await keys.exchange(DAN)

    asyncio.run(story())

    assert [keys.recall(key) is not None for key in (ADA, BOB, CAT, DAN)] == [
        True,
        False,
        True,
        True,
    ]


def test_a_key_that_was_good_waits_for_no_stranger(keys: ApiKeys, endpoint: Endpoint) -> None:
    async def story() -> bool:
        await keys.exchange(ADA)
        keys.forget(ADA)
        endpoint.may_answer.clear()
        crowd = [asyncio.create_task(keys.exchange(invented(number))) for number in range(40)]
        await turn()
        again = asyncio.create_task(keys.exchange(ADA))
        await turn()
        is_done = again.done()
        endpoint.may_answer.set()
        await asyncio.gather(again, *crowd, return_exceptions=True)
        return is_done

    assert asyncio.run(story())


def test_a_key_that_comes_new_waits_for_one_of_a_crowd(keys: ApiKeys, endpoint: Endpoint) -> None:
    async def story() -> list[str]:
        endpoint.may_answer.clear()
        order: list[str] = []
        crowd = [asyncio.create_task(keys.exchange(invented(number))) for number in range(40)]
        await turn()
        newcomer = asyncio.create_task(keys.exchange(BOB))
        await turn()
        for name, task in [("crowd", crowd[10]), ("newcomer", newcomer)]:
            task.add_done_callback(lambda _, name=name: order.append(name))
        endpoint.may_answer.set()
        await asyncio.gather(newcomer, *crowd, return_exceptions=True)
        return order

    assert asyncio.run(story()) == ["newcomer", "crowd"]


def test_nobody_waits_for_a_place_for_long(
    keys: ApiKeys, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyfob_client.places.LONGEST_WAIT", 0.0)

    async def story() -> list[bool]:
        endpoint.may_answer.clear()
        crowd = [asyncio.create_task(keys.exchange(invented(number))) for number in range(40)]
        await turn()
        endpoint.may_answer.set()
        ended = await asyncio.gather(*crowd, return_exceptions=True)
        return [isinstance(one, Unavailable) for one in ended]

    assert asyncio.run(story()).count(True) == 36
