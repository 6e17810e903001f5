"""`keyfob keys`: the signing keys."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one, show_rows
from keyfob.mfa.models import Resealed
from keyfob.mfa.service import Factors
from keyfob.tokens.keyring import Keyring
from keyfob.wiring import Wiring

app = typer.Typer(help="List and rotate the signing keys.", no_args_is_help=True)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the signing keys, with their state in the rotation.

    Examples:

        keyfob keys list

        keyfob keys list --json
    """

    async def work(wiring: Wiring) -> list[dict[str, Any]]:
        return await wiring.services[Keyring].list_all()

    show_rows(run_with_services(work, open_keys=False), as_json=as_json)


@app.command("rotate")
def rotate(
    publish_ahead: Annotated[
        int | None, typer.Option(min=0, help="Seconds in the JWKS before the key signs.")
    ] = None,
    compromised: Annotated[
        bool, typer.Option(help="Sign with the new key at once, and refuse all older ones.")
    ] = False,
    reseal: Annotated[
        bool,
        typer.Option(
            help="Make no key; encrypt all secrets with the first key of KEYFOB_SECRET_KEY."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the next signing key before it is due.

    The old key verifies until its last token has expired. With --compromised every access token
    becomes invalid at once; sessions continue, and their next refresh returns a token of the new
    key. It also helps if KEYFOB_SECRET_KEY is lost: then everybody has to sign in again.

    Examples:

        keyfob keys rotate

        keyfob keys rotate --compromised
    """
    if reseal:
        _reseal(as_json=as_json)
        return

    async def work(wiring: Wiring) -> str:
        ahead = None if publish_ahead is None else timedelta(seconds=publish_ahead)
        return await wiring.services[Keyring].rotate(publish_ahead=ahead, compromised=compromised)

    # After a compromise, old keys are not opened any more: this helps if the secret key is lost.
    kid = run_with_services(work, open_keys=not compromised)
    show_one({"kid": kid}, as_json=as_json, sentence=f"Made signing key {kid}.")


def _reseal(*, as_json: bool) -> None:
    """Encrypt again what the keyring can decrypt, and name users whose secrets it cannot."""

    async def work(wiring: Wiring) -> Resealed:
        factors: Factors = wiring.services[Factors]
        signing_keys, (renewed, unopened) = (
            await wiring.services[Keyring].reseal(),
            await factors.reseal(),
        )
        return Resealed(signing_keys + renewed, unopened)

    done = run_with_services(work)
    sentence = f"Sealed {done.renewed} secrets anew."
    if done.unopened:
        sentence += (
            " No key of KEYFOB_SECRET_KEY opens the authenticators of "
            f"{', '.join(done.unopened)}: put their key back behind the comma, or reset the factors"
            " of these accounts."
        )
    row = {"resealed": done.renewed, "unopened": done.unopened}
    show_one(row, as_json=as_json, sentence=sentence)
