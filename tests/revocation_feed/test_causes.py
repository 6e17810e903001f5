"""Each cause of a revocation is in the feed, and a service that follows it refuses the tokens."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import jwt
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.feed import Claims, Follower, token_of_reader
from tests.fixtures.links import OTHER, recover, recovery_token
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.programs import (
    BILLING,
    ORDERS,
    Program,
    give_role,
    make_program,
    make_resource,
    own_api,
)
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.clients.models import Grant
from keyfob.tokens.keyring import Keyring


def claims_of(token: str) -> Claims:
    claims: Claims = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.fixture
async def ada(world: World) -> SignedIn:
    await world.make_user()
    return await world.log_in()


async def test_a_sign_out_is_of_the_session(
    world: World, follower: Follower, ada: SignedIn, clock: MovableClock
) -> None:
    beside = await world.log_in()
    await world.api.delete("/logout", headers=ada.headers)

    (entry,) = await follower.poll()
    expires = clock.timestamp() + 300 + 300  # the life of a token, and what a clock may jump
    assert entry == {"sid": ada.session_id, "gen": 2**31 - 1, "exp": expires}
    assert follower.refuses(ada.access)
    assert not follower.refuses(beside.access)


async def test_a_sign_out_everywhere_is_of_the_user(
    world: World, follower: Follower, ada: SignedIn, clock: MovableClock
) -> None:
    beside = await world.log_in()
    await world.api.delete("/logout-all", headers=ada.headers)

    (entry,) = await follower.poll()
    expires = clock.timestamp() + 3600 + 300  # tokens of clients may live longest
    assert entry == {"sub": claims_of(ada.access)["sub"], "sub_gen": 0, "exp": expires}
    assert follower.refuses(ada.access)
    assert follower.refuses(beside.access)
    assert not follower.refuses((await world.log_in()).access)


@dataclass
class Scene:
    """A user, an administrator, and what they call."""

    world: World
    ada: SignedIn
    root: SignedIn
    clock: MovableClock
    mailbox: Mailbox

    @property
    def path(self) -> str:
        return f"/admin/users/{claims_of(self.ada.access)['sub']}"

    async def call(
        self, by: SignedIn, method: str, path: str, body: Claims | None = None
    ) -> Claims:
        answer = await self.world.api.request(method, path, headers=by.headers, json=body)
        answer.raise_for_status()
        told: Claims = answer.json() if answer.content else {}
        return told


@pytest.fixture
async def scene(world: World, ada: SignedIn, clock: MovableClock, mailbox: Mailbox) -> Scene:
    return Scene(world, ada, await world.make_admin(), clock, mailbox)


async def be_blocked(scene: Scene) -> None:
    await scene.call(scene.root, "PATCH", scene.path, {"status": "blocked"})


async def get_another_role(scene: Scene) -> None:
    await scene.call(scene.root, "PATCH", scene.path, {"role": "moderator"})


async def be_removed(scene: Scene) -> None:
    await scene.call(scene.root, "DELETE", scene.path)


async def be_signed_out(scene: Scene) -> None:
    await scene.call(scene.root, "DELETE", f"{scene.path}/logout-all")


async def change_the_password(scene: Scene) -> None:
    body = {"current_password": PASSWORD, "password": OTHER}
    await scene.call(scene.ada, "POST", "/me/password", body)


async def recover_the_account(scene: Scene) -> None:
    token = await recovery_token(scene.world, scene.mailbox)
    (await recover(scene.world, token)).raise_for_status()


async def use_a_refresh_token_twice(scene: Scene) -> None:
    (await scene.world.refresh(scene.ada.refresh)).raise_for_status()
    scene.clock.advance(11)
    assert (await scene.world.refresh(scene.ada.refresh)).status_code == 401


async def end_it_among_the_sessions(scene: Scene) -> None:
    await scene.call(scene.ada, "DELETE", f"/me/sessions/{scene.ada.session_id}")


@pytest.mark.parametrize(
    "cause",
    [
        be_blocked,
        get_another_role,
        be_removed,
        be_signed_out,
        change_the_password,
        recover_the_account,
        use_a_refresh_token_twice,
        end_it_among_the_sessions,
    ],
    ids=lambda cause: cause.__name__,
)
async def test_what_ends_a_user_s_tokens_is_in_the_feed(
    scene: Scene, follower: Follower, cause: Callable[[Scene], Awaitable[None]]
) -> None:
    await cause(scene)

    assert await follower.poll()
    assert follower.refuses(scene.ada.access)
    assert not follower.refuses(scene.root.access)


@pytest.fixture
async def billing(world: World) -> Program:
    """The API of orders, which may get tokens for itself, and exchange others."""
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read", "orders:read"])
    return await make_program(
        world,
        grants=[Grant.CLIENT_CREDENTIALS, Grant.TOKEN_EXCHANGE],
        scope=["bills:read", "orders:read"],
        resources=[ORDERS, BILLING, own_api(world)],
    )


async def exchange(program: Program, token: str, kind: str) -> str:
    answer = await program.ask(
        "token",
        grant_type=Grant.TOKEN_EXCHANGE.value,
        subject_token=token,
        subject_token_type=kind,
        resource=BILLING,
    )
    assert answer.status_code == 200, answer.text
    given: str = answer.json()["access_token"]
    return given


async def disable_it(scene: Scene, client: str) -> None:
    await scene.call(scene.root, "PATCH", f"/admin/clients/{client}", {"disabled": True})


async def narrow_it(scene: Scene, client: str) -> None:
    await scene.call(scene.root, "PATCH", f"/admin/clients/{client}", {"scope": ["orders:read"]})


async def replace_its_secret(scene: Scene, client: str) -> None:
    path = f"/admin/clients/{client}/secrets"
    (old,) = (await scene.world.api.get(path, headers=scene.root.headers)).json()
    await scene.call(scene.root, "POST", path, {})
    await scene.call(scene.root, "DELETE", f"{path}/{old['id']}")


async def delete_it(scene: Scene, client: str) -> None:
    await scene.call(scene.root, "DELETE", f"/admin/clients/{client}")


@pytest.mark.parametrize(
    "cause",
    [disable_it, narrow_it, replace_its_secret, delete_it],
    ids=lambda cause: cause.__name__,
)
async def test_what_ends_a_program_s_tokens_is_in_the_feed(
    scene: Scene,
    billing: Program,
    follower: Follower,
    cause: Callable[[Scene, str], Awaitable[None]],
) -> None:
    token = await billing.get_token(resource=ORDERS)
    await cause(scene, str(billing.id))

    (entry,) = await follower.poll()
    assert (entry["client_id"], entry["client_gen"]) == (str(billing.id), 0)
    assert follower.refuses(token)


async def test_a_token_that_a_client_revokes_is_named_by_its_own_id(
    billing: Program, follower: Follower, clock: MovableClock
) -> None:
    token, beside = [await billing.get_token(resource=ORDERS) for _ in range(2)]
    await billing.revoke(token)

    expires = clock.timestamp() + 300 + 300
    assert await follower.poll() == [{"jti": claims_of(token)["jti"], "exp": expires}]
    assert follower.refuses(token)
    assert not follower.refuses(beside)


async def test_a_token_that_was_exchanged_ends_with_its_subject_token(
    billing: Program, follower: Follower
) -> None:
    kind = "urn:ietf:params:oauth:token-type:access_token"
    subject, beside = [await billing.get_token(resource=ORDERS) for _ in range(2)]
    tokens = [await exchange(billing, one, kind) for one in (subject, beside)]
    await billing.revoke(subject)

    await follower.poll()
    assert [follower.refuses(one) for one in tokens] == [True, False]


async def test_an_api_key_ends_with_what_it_was_exchanged_for(
    scene: Scene, billing: Program, follower: Follower
) -> None:
    await give_role(scene.world, scene.ada, "orders:read")
    body = {"name": "Backup", "scope": ["orders:read"]}
    key = await scene.call(scene.ada, "POST", "/me/api-keys", body)
    token = await exchange(billing, key["api_key"], "urn:keyfob:token-type:api-key")
    await scene.call(scene.ada, "DELETE", f"/me/api-keys/{key['id']}")

    (entry,) = await follower.poll()
    assert (entry["sid"], entry["gen"]) == (key["id"], 2**31 - 1)
    assert follower.refuses(token)
    assert not follower.refuses(scene.ada.access)


async def test_a_key_that_was_dropped_is_named(
    world: World, follower: Follower, ada: SignedIn, clock: MovableClock
) -> None:
    kid = jwt.get_unverified_header(ada.access)["kid"]
    reader = follower.token
    await world.service(Keyring).rotate(compromised=True)
    assert (await follower.ask()).status_code == 401, "the reader's own token was signed by it, too"

    anew = Follower(world, await token_of_reader(world))
    anew.position = follower.position
    expires = clock.timestamp() + 3600 + 300
    assert await anew.poll() == [{"kid": kid, "exp": expires}]
    assert anew.refuses(ada.access)
    assert anew.refuses(reader)
    assert not anew.refuses(anew.token)
    assert await anew.poll() == []
    clock.advance(3900)
    assert await Follower(world, await token_of_reader(world)).poll() == []


async def test_a_key_that_retires_in_order_is_not(
    world: World, follower: Follower, clock: MovableClock
) -> None:
    await world.service(Keyring).rotate()
    clock.advance(3601)

    follower.token = await token_of_reader(world)
    assert await follower.poll() == [], "its last tokens expire before it is gone from the key set"
