"""Answers and log entries about passkeys."""

import httpx
from tests.fixtures.world import World


def is_refused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")


async def logged(world: World) -> set[tuple[str, str]]:
    return {(event["outcome"], event["reason"]) for event in await world.login_log()}
