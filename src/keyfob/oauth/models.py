"""Requests of clients and their results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from keyfob.clients.models import AuthenticatedClient, AuthMethod, Grant
from keyfob.core.addresses import UNKNOWN
from keyfob.core.forms import Form


class ClientRequest(NamedTuple):
    """A request of a client: its form, its Authorization header, its source, its DPoP headers."""

    form: Form
    authorization: str | None
    address: str
    proofs: tuple[str, ...] = ()


class Presented(NamedTuple):
    """The credentials of a client, the client that they claim to be of, and where they are from."""

    method: AuthMethod
    client_id: str | None
    proof: str
    address: str = UNKNOWN


class ClientProof(Protocol):
    """Checks one kind of credentials."""

    async def check(self, presented: Presented, *, may_ask: bool) -> AuthenticatedClient | None:
        """Return the client, if its credentials are valid; otherwise None.

        Without `may_ask`, also None if the client was not found before.
        """


@dataclass(frozen=True)
class GivenToken:
    """A token that the token endpoint issues, and further members of its response."""

    access_token: str
    expires_in: int
    scope: tuple[str, ...]
    more: Mapping[str, object] = field(default_factory=dict)


class GrantHandler(Protocol):
    """Issues tokens for one grant, to clients that are registered for it.

    None lives longer than the secret that the client showed.
    """

    grant: Grant

    async def give(self, shown: AuthenticatedClient, form: Form) -> GivenToken: ...
