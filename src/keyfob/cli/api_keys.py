"""`keyfob api-keys`: the keys of users, as whoever runs the service sees and revokes them."""

from typing import Annotated, Any
from uuid import UUID

import typer

from keyfob.accounts import locks
from keyfob.api_keys.introspection import KeyIntrospector
from keyfob.api_keys.service import ApiKeys
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one, show_rows
from keyfob.cli.refusal import Refused
from keyfob.cli.users import Address, find_user
from keyfob.wiring import Wiring

app = typer.Typer(help="List and revoke API keys of users.", no_args_is_help=True)


@app.command("list")
def list_keys(email: Address, as_json: AsJson = False) -> None:
    """List the valid API keys of a user, the newest first.

    Examples:

        keyfob api-keys list ada@example.com
    """

    async def work(wiring: Wiring) -> list[dict[str, Any]]:
        keys = await wiring.services[ApiKeys].list_live(await find_user(wiring, email))
        columns = ("id", "name", "created_at", "expires_at", "last_used_at")
        return [
            {"scope": " ".join(key.scope), **{one: getattr(key, one) for one in columns}}
            for key in keys
        ]

    show_rows(run_with_services(work), as_json=as_json)


@app.command("revoke")
def revoke_key(
    email: Address,
    key_id: Annotated[UUID, typer.Argument(help="The key's id, as `list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke an API key of a user, everywhere at once.

    Examples:

        keyfob api-keys revoke ada@example.com 01a20320-a200-72ef-94f7-a47876d9b8cb
    """

    async def work(wiring: Wiring) -> None:
        user_id = await find_user(wiring, email)
        async with wiring.db.begin() as tx:
            await locks.lock(tx, user_id)
            if not await wiring.services[ApiKeys].revoke(tx, user_id, key_id):
                raise Refused(f"{email} has no valid key with that id")
            await wiring.services[Audit].record(
                tx,
                action=Event.API_KEY_REVOKED,
                actor_id=None,
                target_id=user_id,
                new={"id": str(key_id)},
            )

    run_with_services(work)
    row = {"id": str(key_id), "revoked": True}
    show_one(row, as_json=as_json, sentence=f"Revoked the key {key_id}.")


@app.command("revoke-found")
def revoke_found(as_json: AsJson = False) -> None:
    """Revoke an API key that was found somewhere: it is read from standard input.

    Examples:

        printf %s "$FOUND" | keyfob api-keys revoke-found
    """
    text = typer.get_text_stream("stdin").read().strip()

    async def work(wiring: Wiring) -> None:
        introspector = wiring.services[KeyIntrospector]
        if await introspector.find(text) is None:
            raise Refused("This is no valid API key")
        await introspector.revoke(text, None)

    run_with_services(work)
    show_one({"revoked": True}, as_json=as_json, sentence="Revoked the key.")
