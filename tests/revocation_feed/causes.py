"""Each cause of a revocation, over HTTP where there is a call for it.

A cause is a generator: it yields an access token that it is about to end, and one that it leaves
alone, and then ends the first.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.links import OTHER, forget_proof, recover, recovery_token
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.programs import BILLING, ORDERS, Program, make_program, make_resource, own_api
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.clients.models import Grant
from keyfob.settings import Settings

MOST_SESSIONS = 3
OF_KEYS = "urn:keyfob:token-type:api-key"
OF_TOKENS = "urn:ietf:params:oauth:token-type:access_token"


class Tokens(NamedTuple):
    ending: str
    lasting: str


Ends = AsyncGenerator[Tokens, None]


@dataclass
class Scene:
    """The service, an administrator, and a program in front of whose API people come."""

    world: World
    clock: MovableClock
    mailbox: Mailbox
    root: SignedIn
    gateway: Program
    _numbers: "count[int]" = field(default_factory=count, repr=False)

    @classmethod
    async def of(cls, world: World, clock: MovableClock, mailbox: Mailbox) -> "Scene":
        await make_resource(world)
        await make_resource(world, BILLING, ["bills:read", "orders:read"])
        root = await world.make_admin()
        return cls(world, clock, mailbox, root, await exchanger(world))

    async def call(self, by: SignedIn, method: str, path: str, body: Any = None) -> Any:
        """Make a call that succeeds, and return what it answers."""
        answer = await self.world.api.request(method, path, headers=by.headers, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def manage(self, method: str, path: str, body: Any = None) -> Any:
        """Make a call of the administrator."""
        return await self.call(self.root, method, f"/admin/{path}", body)

    async def person(self, role: Role = Role.USER) -> "Person":
        """Sign somebody new in."""
        email = f"ada{next(self._numbers)}@example.com"
        user_id = await self.world.make_user(email, role=role)
        return Person(f"users/{user_id}", email, await self.world.log_in(email))

    async def program(self, scope: tuple[str, ...] = ("orders:read",)) -> "Running":
        """Register a program that has a token for the API of orders."""
        program = await make_program(self.world, scope=scope)
        return Running(f"clients/{program.id}", program, await program.get_token(resource=ORDERS))


class Person(NamedTuple):
    path: str
    email: str
    signed_in: SignedIn

    @property
    def token(self) -> str:
        return self.signed_in.access


class Running(NamedTuple):
    path: str
    program: Program
    token: str


async def exchanger(world: World) -> Program:
    """Register a program that exchanges what others show it."""
    return await make_program(
        world,
        grants=[Grant.CLIENT_CREDENTIALS, Grant.TOKEN_EXCHANGE],
        scope=["bills:read", "orders:read"],
        resources=[ORDERS, BILLING, own_api(world)],
    )


async def exchange(program: Program, token: str, kind: str) -> str:
    """Exchange an API key or an access token for a token of the API of bills."""
    answer = await program.ask(
        "token",
        grant_type=Grant.TOKEN_EXCHANGE.value,
        subject_token=token,
        subject_token_type=kind,
        resource=BILLING,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


# Of one session.


async def sign_out(scene: Scene) -> Ends:
    ada = await scene.person()
    beside = await scene.world.log_in(ada.email)
    yield Tokens(ada.token, beside.access)
    await scene.call(ada.signed_in, "DELETE", "/logout")


async def end_one_of_the_sessions(scene: Scene) -> Ends:
    ada = await scene.person()
    beside = await scene.world.log_in(ada.email)
    yield Tokens(beside.access, ada.token)
    await scene.call(ada.signed_in, "DELETE", f"/me/sessions/{beside.session_id}")


async def have_too_many_sessions(scene: Scene) -> Ends:
    ada = await scene.person()
    beside = [await scene.world.log_in(ada.email) for _ in range(MOST_SESSIONS - 1)]
    scene.clock.advance(1)
    (await scene.world.refresh(beside[0].refresh)).raise_for_status()
    (await scene.world.refresh(beside[1].refresh)).raise_for_status()
    yield Tokens(ada.token, beside[0].access)
    await scene.world.log_in(ada.email)


async def use_a_refresh_token_twice(scene: Scene) -> Ends:
    ada = await scene.person()
    beside = await scene.world.log_in(ada.email)
    newer = SignedIn.of(await scene.world.refresh(ada.signed_in.refresh))
    scene.clock.advance(11)
    yield Tokens(newer.access, beside.access)
    assert (await scene.world.refresh(ada.signed_in.refresh)).status_code == 401


async def revoke_a_refresh_token(scene: Scene) -> Ends:
    ada = await scene.person()
    beside = await scene.world.log_in(ada.email)
    yield Tokens(ada.token, beside.access)
    (await scene.gateway.revoke(ada.signed_in.refresh)).raise_for_status()


# Of a user.


async def sign_out_everywhere(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    yield Tokens(ada.token, other.token)
    await scene.call(ada.signed_in, "DELETE", "/logout-all")


async def be_signed_out(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    yield Tokens(ada.token, other.token)
    await scene.manage("DELETE", f"{ada.path}/logout-all")


async def be_blocked(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    yield Tokens(ada.token, other.token)
    await scene.manage("PATCH", ada.path, {"status": "blocked"})


async def be_removed(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    yield Tokens(ada.token, other.token)
    await scene.manage("DELETE", ada.path)


async def get_another_role(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    yield Tokens(ada.token, other.token)
    await scene.manage("PATCH", ada.path, {"role": "moderator"})


async def get_a_further_role(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    await scene.manage("POST", "roles", {"name": "clerk", "permissions": []})
    yield Tokens(ada.token, other.token)
    await scene.manage("POST", f"{ada.path}/roles", {"role": "clerk"})


async def lose_a_further_role(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    await scene.manage("POST", "roles", {"name": "porter", "permissions": []})
    await scene.manage("POST", f"{ada.path}/roles", {"role": "porter"})
    again = SignedIn.of(await scene.world.refresh(ada.signed_in.refresh))
    yield Tokens(again.access, other.token)
    await scene.manage("DELETE", f"{ada.path}/roles/porter")


async def have_the_end_of_a_role_moved(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    await scene.manage("POST", "roles", {"name": "guest", "permissions": []})
    await scene.manage("POST", f"{ada.path}/roles", {"role": "guest"})
    again = SignedIn.of(await scene.world.refresh(ada.signed_in.refresh))
    yield Tokens(again.access, other.token)
    soon = scene.clock.now().replace(year=scene.clock.now().year + 1)
    await scene.manage("PATCH", f"{ada.path}/roles/guest", {"expires_at": soon.isoformat()})


async def change_the_password(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    await scene.world.log_in(ada.email)
    yield Tokens(ada.token, other.token)  # of the session that goes on, with a newer one
    body = {"current_password": PASSWORD, "password": OTHER}
    await scene.call(ada.signed_in, "POST", "/me/password", body)


async def recover_the_account(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    yield Tokens(ada.token, other.token)
    token = await recovery_token(scene.world, scene.mailbox, ada.email)
    (await recover(scene.world, token)).raise_for_status()


async def prove_the_address_for_the_first_time(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    await forget_proof(scene.world, ada.email)
    yield Tokens(ada.token, other.token)
    token = await recovery_token(scene.world, scene.mailbox, ada.email)
    (await recover(scene.world, token)).raise_for_status()


async def be_given_another_address(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    yield Tokens(ada.token, other.token)
    await scene.manage("PATCH", ada.path, {"email": f"moved-{ada.email}"})


async def have_factors_reset(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    await add_totp(scene.world, ada.signed_in, scene.clock)
    yield Tokens(ada.token, other.token)
    await scene.manage("POST", f"{ada.path}/factors/reset")


async def remove_the_factor_of_other_sessions(scene: Scene) -> Ends:
    ada = await scene.person()
    app = await add_totp(scene.world, ada.signed_in, scene.clock)
    strong = SignedIn.of(await scene.world.refresh(ada.signed_in.refresh))
    other = await scene.person()
    yield Tokens(strong.access, other.token)
    await scene.call(strong, "DELETE", f"/me/factors/{app.id}")


async def have_to_verify_addresses_from_now_on(scene: Scene) -> Ends:
    ada, other = await scene.person(), await scene.person()
    await forget_proof(scene.world, ada.email)
    yield Tokens(ada.token, other.token)
    settings = scene.world.service(Settings).model_copy(update={"verify_email": "required"})
    async with World(settings, scene.clock) as restarted:
        for chore in restarted.wiring.worker.chores:
            if chore.name == "unverified sessions":
                await chore.run()


# Of programs.


async def disable_a_client(scene: Scene) -> Ends:
    orders, beside = await scene.program(), await scene.program()
    yield Tokens(orders.token, beside.token)
    await scene.manage("PATCH", orders.path, {"disabled": True})


async def narrow_a_client(scene: Scene) -> Ends:
    orders, beside = await scene.program(), await scene.program()
    yield Tokens(orders.token, beside.token)
    await scene.manage("PATCH", orders.path, {"scope": []})


async def rotate_a_secret(scene: Scene) -> Ends:
    orders, beside = await scene.program(), await scene.program()
    yield Tokens(orders.token, beside.token)
    (old,) = await scene.manage("GET", f"{orders.path}/secrets")
    await scene.manage("POST", f"{orders.path}/secrets", {})
    await scene.manage("DELETE", f"{orders.path}/secrets/{old['id']}")


async def delete_a_client(scene: Scene) -> Ends:
    orders, beside = await scene.program(), await scene.program()
    yield Tokens(orders.token, beside.token)
    await scene.manage("DELETE", orders.path)


async def take_a_scope_from_a_resource(scene: Scene) -> Ends:
    writer, reader = await scene.program(("orders:write",)), await scene.program()
    yield Tokens(writer.token, reader.token)
    (orders,) = [one for one in await scene.manage("GET", "resources") if is_of_orders(one)]
    left = {"orders:read": orders["scopes"]["orders:read"]}
    await scene.manage("PATCH", f"resources/{orders['id']}", {"scopes": left})


def is_of_orders(resource: dict[str, Any]) -> bool:
    return bool(resource["identifier"] == ORDERS)


async def revoke_a_token(scene: Scene) -> Ends:
    program = (await scene.program()).program
    token, beside = [await program.get_token(resource=ORDERS) for _ in range(2)]
    yield Tokens(token, beside)
    (await program.revoke(token)).raise_for_status()


async def revoke_a_token_that_was_exchanged(scene: Scene) -> Ends:
    shown = [await scene.gateway.get_token(resource=ORDERS) for _ in range(2)]
    yield Tokens(*[await exchange(scene.gateway, token, OF_TOKENS) for token in shown])
    (await scene.gateway.revoke(shown[0])).raise_for_status()


# Of API keys.


class Held(NamedTuple):
    """An API key, and the token that it was exchanged for."""

    id: str
    key: str
    token: str


async def key_of(scene: Scene, owner: SignedIn, *scope: str) -> Held:
    body = {"name": "Backup", "scope": ["orders:read", *scope]}
    made = await scene.call(owner, "POST", "/me/api-keys", body)
    token = await exchange(scene.gateway, made["api_key"], OF_KEYS)
    return Held(made["id"], made["api_key"], token)


async def revoke_an_api_key(scene: Scene) -> Ends:
    key, beside = [await key_of(scene, scene.root) for _ in range(2)]
    yield Tokens(key.token, beside.token)
    await scene.call(scene.root, "DELETE", f"/me/api-keys/{key.id}")


async def revoke_an_api_key_that_was_found(scene: Scene) -> Ends:
    key, beside = [await key_of(scene, scene.root) for _ in range(2)]
    yield Tokens(key.token, beside.token)
    (await scene.gateway.revoke(key.key)).raise_for_status()


async def block_the_owner_of_an_api_key(scene: Scene) -> Ends:
    ada = await scene.person(Role.ADMIN)
    key, beside = await key_of(scene, ada.signed_in), await key_of(scene, scene.root)
    yield Tokens(key.token, beside.token)
    await scene.manage("PATCH", ada.path, {"status": "blocked"})


async def add_the_first_factor_beside_an_api_key(scene: Scene) -> Ends:
    ada = await scene.person(Role.ADMIN)
    key = await key_of(scene, ada.signed_in, "users:read")
    beside = await key_of(scene, ada.signed_in)  # which may not administer
    yield Tokens(key.token, beside.token)
    await add_totp(scene.world, ada.signed_in, scene.clock)


CAUSES = (
    *(sign_out, end_one_of_the_sessions, have_too_many_sessions),
    *(use_a_refresh_token_twice, revoke_a_refresh_token),
    *(sign_out_everywhere, be_signed_out, be_blocked, be_removed),
    *(get_another_role, get_a_further_role, lose_a_further_role, have_the_end_of_a_role_moved),
    *(change_the_password, recover_the_account, prove_the_address_for_the_first_time),
    *(be_given_another_address, have_factors_reset, remove_the_factor_of_other_sessions),
    have_to_verify_addresses_from_now_on,
    *(disable_a_client, narrow_a_client, rotate_a_secret, delete_a_client),
    *(take_a_scope_from_a_resource, revoke_a_token, revoke_a_token_that_was_exchanged),
    *(revoke_an_api_key, revoke_an_api_key_that_was_found, block_the_owner_of_an_api_key),
    add_the_first_factor_beside_an_api_key,
)
