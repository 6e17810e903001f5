import httpx
import pytest
from fastapi import Depends, FastAPI
from tests.fixtures.statements import recorded_statements

from keyfob.core.http.clients import Clients
from keyfob.core.http.problems import on_problem
from keyfob.core.problems import Problem
from keyfob.limits.rates import RateLimits
from keyfob.limits.requests import limited
from keyfob.limits.room import build_limits
from keyfob.settings import LimitSettings


@pytest.fixture
async def api(db, clock):
    app = FastAPI(exception_handlers={Problem: on_problem})
    limits = build_limits(LimitSettings(limit_login="2/minute"), db, clock)
    app.state.services = {RateLimits: limits.rates}
    app.state.clients = Clients([])

    @app.post("/login", dependencies=[Depends(limited("login", by="address"))])
    async def log_in() -> dict[str, str]:
        return {}

    transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_limited_route_tells_what_is_left(api):
    answer = await api.post("/login")

    assert answer.status_code == 200
    assert answer.headers["ratelimit-policy"] == '"login";q=2;w=60'
    assert answer.headers["ratelimit"] == '"login";r=1;t=60'


async def test_a_limited_route_refuses_with_429_and_when_to_come_back(api, clock):
    await api.post("/login")
    clock.advance(20)
    await api.post("/login")

    answer = await api.post("/login", headers={"X-Forwarded-For": "198.51.100.1"})

    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_many_requests"
    assert answer.headers["retry-after"] == "40"
    assert answer.headers["ratelimit"] == '"login";r=0;t=40'


async def test_who_goes_on_asking_costs_a_statement_a_second_at_most(api, clock):
    await api.post("/login")
    clock.advance(20)
    for _ in range(2):
        await api.post("/login")

    with recorded_statements() as seen:
        refused = [await api.post("/login") for _ in range(5)]

    assert [(answer.status_code, answer.headers["retry-after"]) for answer in refused] == [
        (429, "40")
    ] * 5
    assert refused[0].headers["ratelimit"] == '"login";r=0;t=40'
    assert seen == []
    clock.advance(40)
    assert [(await api.post("/login")).status_code for _ in range(3)] == [200, 200, 429]
