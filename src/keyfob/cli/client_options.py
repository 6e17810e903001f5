"""The options of `keyfob clients`."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from keyfob.clients.models import AuthMethod, Grant, IdTokenAlgorithm, Profile


def _read_client_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter("should be an id, as `keyfob clients list` shows it") from None


ClientId = Annotated[UUID, typer.Argument(parser=_read_client_id, help="The `client_id`.")]
ResourceOptions = Annotated[
    list[str] | None,
    typer.Option("--resource", help="An API that its tokens may be for; may be repeated."),
]
ScopeOptions = Annotated[
    list[str] | None, typer.Option("--scope", help="A scope that it may ask for; may be repeated.")
]
GrantOptions = Annotated[
    list[Grant] | None, typer.Option("--grant", help="A grant that it may use; may be repeated.")
]
Method = Annotated[AuthMethod | None, typer.Option(help="The method by which it authenticates.")]
JwksFile = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="A JWK Set of its public keys, for private_key_jwt."
    ),
]
JwksUri = Annotated[str | None, typer.Option(help="The URL of its JWK Set, for private_key_jwt.")]
RedirectUris = Annotated[
    list[str] | None,
    typer.Option("--redirect-uri", help="A place to which an app has its users sent; repeatable."),
]
FirstParty = Annotated[
    bool | None, typer.Option(help="Whether people are not asked for consent to this app.")
]
AfterLogout = Annotated[
    list[str] | None,
    typer.Option(
        "--post-logout-redirect-uri", help="A place to return to after a sign-out; repeatable."
    ),
]
LogoutUri = Annotated[
    str | None, typer.Option("--backchannel-logout-uri", help="Where an app hears of sign-outs.")
]
RequirePar = Annotated[bool | None, typer.Option(help="Whether an app has to push its requests.")]
RequireSigned = Annotated[
    bool | None,
    typer.Option(help="Whether an app has to sign its requests, by a key of its JWK Set."),
]
RotateRefresh = Annotated[
    bool | None, typer.Option(help="Whether a refresh token is used up by a refresh.")
]
DpopBound = Annotated[
    bool | None, typer.Option(help="Whether it gets no token without a DPoP proof of a key.")
]
TheProfile = Annotated[
    Profile | None,
    typer.Option(help="Rules that it keeps as a whole: fapi2 sets all that FAPI 2.0 asks for."),
]
RequirePkce = Annotated[
    bool | None, typer.Option(help="Whether an app with a secret or a key has to use PKCE.")
]
IdTokenAlg = Annotated[
    IdTokenAlgorithm | None, typer.Option(help="How an app's ID tokens are signed.")
]
LogoutSession = Annotated[
    bool | None,
    typer.Option(
        "--backchannel-logout-session-required/--no-backchannel-logout-session-required",
        help="Whether each notice of a sign-out has to name the session.",
    ),
]
