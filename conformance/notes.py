"""An API beside Keyfob, whose tokens are bound to keys: where those of OAuth alone are shown.

`userinfo` is for OpenID Connect. This program is guarded by keyfob-client as any service would be;
`conformance.surroundings` starts it.
"""

import os

from fastapi import FastAPI

from conformance.plans import NOTES_SCOPE
from keyfob_client import AsyncVerifier, ClientSecret
from keyfob_client.fastapi import protect, require_scope
from keyfob_client.proofs import ProofCheck

_PATH = "/notes"


def make_app() -> FastAPI:
    """Return the API, as the variables of its environment say."""
    origin = os.environ["NOTES_ORIGIN"]
    client = ClientSecret(os.environ["NOTES_CLIENT_ID"], os.environ["NOTES_CLIENT_SECRET"])
    verifier = AsyncVerifier(
        os.environ["NOTES_ISSUER"],
        audience=origin + _PATH,
        client=client,  # it hears what is revoked
        check_proof=ProofCheck(origin),
    )
    app = FastAPI()
    protect(app, verifier)

    @app.get(_PATH, dependencies=[require_scope(NOTES_SCOPE)])
    async def list_notes() -> list[str]:
        return ["Buy milk"]

    return app
