"""The form of how a program proves itself, what its requests need, and what its tokens are."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from keyfob.admin.client_models import ClientUpdate
from keyfob.administration.authority import Actor
from keyfob.clients.models import RegisteredClient
from keyfob.core.problems import InvalidInput
from keyfob.web.console.client_fields import TICKS, error_of, held_by_profile, rules_of
from keyfob.web.console.clients import LIMITED, ClientId, Clients, Writer, show_one
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()


@routes.post("/console/clients/{id:uuid}/rules", dependencies=LIMITED)
async def change_rules(
    client_id: ClientId, visit: AVisit, caller: Writer, clients: Clients
) -> Response:
    """Change what differs from what the form showed when it was opened."""
    client = await clients.get(client_id)
    errors: dict[str, str] = {}
    try:
        change = ClientUpdate.model_validate(_changed(visit, client)).to_change()
        await clients.change(Actor(caller, visit.source), client_id, change)
    except ValidationError as fault:
        errors |= dict(error_of(str(*one["loc"][:1])) for one in fault.errors())
    except InvalidInput as fault:
        errors |= dict(error_of(one["pointer"].rpartition("/")[2]) for one in fault.errors)
    if errors:
        return await show_one(visit, clients, client_id, errors=errors)
    return visit.go(f"/console/clients/{client_id}", done="rules")


def _changed(visit: Visit, client: RegisteredClient) -> Mapping[str, Any]:
    """Return the fields that were changed, for the body of the admin API.

    What the form did not offer is no change: the profile that it showed held it.
    """
    given: dict[str, Any] = {}
    held = held_by_profile(client, visit.fields.line("seen_profile"))
    for name in rules_of(client).keys() - held:
        value = visit.fields.line(name)
        if value != visit.fields.line(f"seen_{name}"):
            given[name] = value == "yes" if name in TICKS else value
    if "profile" in given:
        given["profile"] = given["profile"] or None
    if given.get("jwks_uri") == "":
        given["jwks_uri"] = None
    if "auth_method" in given and "jwks_uri" not in given and client.jwks_uri:
        given["jwks_uri"] = client.jwks_uri  # a new method forgets the keys of the former
    return given
