"""`keyfob registration-tokens`: initial access tokens, with which programs register themselves."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one, show_rows
from keyfob.cli.refusal import Refused
from keyfob.clients.registration_tokens import NewToken, RegistrationTokens
from keyfob.wiring import Wiring

app = typer.Typer(help="Tokens with which programs register themselves.", no_args_is_help=True)


@app.command("create")
def create_token(
    *,
    uses: Annotated[
        int, typer.Option(min=1, max=10_000, help="The programs that may register with it.")
    ] = 1,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it ends.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Create an initial access token, and print it.

    Examples:

        keyfob registration-tokens create --uses 20 --days 30
    """

    async def work(wiring: Wiring) -> NewToken:
        tokens: RegistrationTokens = wiring.services[RegistrationTokens]
        async with wiring.db.begin() as tx:
            made = await tokens.make(tx, uses=uses, lives=timedelta(days=days))
            token_id, expires_at = str(made.token.id), made.token.expires_at.isoformat()
            told = {"id": token_id, "uses": uses, "expires_at": expires_at}
            audit: Audit = wiring.services[Audit]
            await audit.record_own(tx, told, action=Event.REGISTRATION_TOKEN_CREATED)
        return made

    token, text = run_with_services(work)
    row = {**token._asdict(), "token": text}
    show_one(row, as_json=as_json, sentence=f"Token {token.id}, shown this once: {text}")


@app.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """List the tokens that still count, oldest first.

    Examples:

        keyfob registration-tokens list
    """

    async def work(wiring: Wiring) -> list[dict[str, Any]]:
        found = await wiring.services[RegistrationTokens].list_all()
        return [token._asdict() for token in found]

    show_rows(run_with_services(work), as_json=as_json)


@app.command("remove")
def remove_token(
    token_id: Annotated[UUID, typer.Argument(help="The token's id, as `list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """End a token; programs that have registered with it stay.

    Examples:

        keyfob registration-tokens remove 01a20320-a200-72ef-94f7-a47876d9b8cb
    """

    async def work(wiring: Wiring) -> None:
        async with wiring.db.begin() as tx:
            if not await wiring.services[RegistrationTokens].remove(tx, token_id):
                raise Refused("There is no token with that id")
            told = {"id": str(token_id)}
            audit: Audit = wiring.services[Audit]
            await audit.record_own(tx, told, action=Event.REGISTRATION_TOKEN_REMOVED)

    run_with_services(work)
    row = {"id": str(token_id), "removed": True}
    show_one(row, as_json=as_json, sentence=f"Removed the token {token_id}.")
