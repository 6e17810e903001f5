"""Responses that are the same for everybody are made once, so repeated requests cost little."""

import asyncio
import gzip

import pytest
from tests.fixtures.asgi import call_raw
from tests.fixtures.world import World

PUBLIC = ["/openapi.json", "/docs/swagger-ui.css", "/docs/start-redoc.js"]


async def test_the_first_to_ask_for_the_schema_holds_up_nobody(world: World) -> None:
    world.app.openapi_schema = None  # which another test may have made
    asking, turns = asyncio.create_task(call_raw(world, "GET", "/openapi.json")), 0
    while not asking.done():
        await asyncio.sleep(0)
        turns += 1

    assert asking.result().json()["openapi"] == "3.1.0"
    assert turns > 10  # of others meanwhile; made on the loop, it left one


@pytest.mark.parametrize("path", PUBLIC)
async def test_whoever_has_it_is_told_so(world: World, path: str) -> None:
    etag = (await world.api.get(path)).headers.get("etag", "")

    for given in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        again = await world.api.get(path, headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b""), given
        assert again.headers["etag"] == etag
    other = await world.api.get(path, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("path", PUBLIC)
async def test_it_is_compressed_for_whoever_takes_that(world: World, path: str) -> None:
    plain = await call_raw(world, "GET", path)
    assert plain.header(b"content-encoding") is None
    assert plain.header(b"content-length") == str(len(plain.body)).encode()

    for accepted, zipped in (
        (b"gzip", True),
        (b"br, GZIP ; q=0.5", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000, br", False),
        (b"gzipped, *", False),
    ):
        answer = await call_raw(world, "GET", path, headers=[(b"accept-encoding", accepted)])
        assert answer.header(b"content-length") == str(len(answer.body)).encode()
        assert answer.header(b"vary") == b"Accept-Encoding"
        assert (answer.header(b"content-encoding") == b"gzip") is zipped, accepted
        assert (gzip.decompress(answer.body) if zipped else answer.body) == plain.body


async def test_of_a_long_one_the_head_alone_is_sent(world: World) -> None:
    plain = await call_raw(world, "GET", "/openapi.json")
    head = await call_raw(world, "HEAD", "/openapi.json")

    assert head.status == 200
    assert head.body == b""
    assert head.header(b"content-length") == str(len(plain.body)).encode()
