"""Accepting an access token: verified once, remembered within limits, checked each time."""

from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of
from tests.fixtures.world import SignedIn, World

from keyfob.authority.models import Authenticator, Role, User
from keyfob.core.problems import Unauthenticated
from keyfob.sessions.authentication import SessionAuthenticator
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings
from keyfob.tokens.access import AccessTokens


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was checked."""
    seen: list[str] = []
    verify = AccessTokens.verify

    def watched(self: AccessTokens, token: str) -> object:
        seen.append(token)
        return verify(self, token)

    monkeypatch.setattr(AccessTokens, "verify", watched)
    return seen


def judge_of(world: World) -> SessionAuthenticator:
    judge = world.wiring.services[Authenticator]
    assert isinstance(judge, SessionAuthenticator)
    return judge


async def test_a_token_is_verified_once_and_judged_each_time(
    world: World, clock: MovableClock, verified: list[str]
) -> None:
    user_id = await world.make_user(role=Role.MODERATOR)
    ada = await world.log_in()
    judge = judge_of(world)

    callers = [judge.authenticate(ada.access) for _ in range(5)]

    assert verified == [ada.access]
    assert set(callers) == {
        User(user_id, UUID(ada.session_id), 0, Role.MODERATOR, clock.now(), ("pwd",))
    }
    async with world.db.begin() as tx:
        await world.service(Sessions).revocations.revoke(tx, [(UUID(ada.session_id), 0)])
    with pytest.raises(Unauthenticated):
        judge.authenticate(ada.access)

    renewed = SignedIn.of(await world.refresh(ada.refresh))
    judge.authenticate(renewed.access)
    clock.advance(300)
    with pytest.raises(Unauthenticated):
        judge.authenticate(renewed.access)


async def test_a_refused_token_is_not_remembered(world: World, verified: list[str]) -> None:
    await world.make_user()
    ada = await world.log_in()
    forged = ada.access[:-1] + ("A" if ada.access[-1] != "A" else "Q")
    judge = judge_of(world)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            judge.authenticate(forged)

    assert verified == [forged] * 3
    assert judge.remembered == 0


@pytest.mark.parametrize(("size", "checks"), [(0, 9), (2, 9), (3, 3)])
async def test_the_memory_is_bounded_and_drops_the_oldest(
    settings: Settings, clock: MovableClock, verified: list[str], size: int, checks: int
) -> None:
    async with World(settings.model_copy(update={"token_cache_size": size}), clock) as world:
        await world.make_user()
        devices = [await world.log_in() for _ in range(3)]
        judge = judge_of(world)
        for _ in range(3):
            for device in devices:
                assert judge.authenticate(device.access).generation == 0

        assert judge.remembered == size
        assert len(verified) == checks


async def test_new_keys_make_every_token_be_verified_anew(
    world: World, verified: list[str]
) -> None:
    await world.make_user()
    ada = await world.log_in()
    judge = judge_of(world)
    judge.authenticate(ada.access)

    judge.forget()
    judge.authenticate(ada.access)

    assert verified == [ada.access] * 2


async def test_no_personal_data_is_in_a_token(world: World) -> None:
    await world.make_user("ada@example.com", name="Ada Lovelace")
    ada = await world.log_in()

    claims = claims_of(ada.access)

    assert set(claims) == {
        "iss",
        "aud",
        "sub",
        "iat",
        "exp",
        "jti",
        "sid",
        "gen",
        "sub_gen",
        "client_id",
        "role",
        "roles",
        "scope",
        "auth_time",
        "acr",
        "amr",
    }
    assert "ada" not in str(claims).lower()
    assert claims["exp"] - claims["iat"] == 300
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    assert claims["sid"] == ada.session_id
