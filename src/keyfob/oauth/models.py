"""What clients send and get."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from keyfob.clients.models import AuthMethod, Grant, RegisteredClient
from keyfob.core.forms import Form


class ClientRequest(NamedTuple):
    """A request of a client: its form, its Authorization header, and where it comes from."""

    form: Form
    authorization: str | None
    address: str


class Presented(NamedTuple):
    """What a client shows to prove to be itself, and which client it says to be."""

    method: AuthMethod
    client_id: str | None
    proof: str


class ClientProof(Protocol):
    """Checks one kind of proof."""

    async def check(self, presented: Presented, *, may_ask: bool) -> RegisteredClient | None:
        """Return the client that has proven to be itself; None if it has not.

        Not `may_ask`: None, too, where the database or anybody else would have to be asked.
        """


@dataclass(frozen=True)
class GivenToken:
    """A token that the token endpoint gives, and further members of its answer."""

    access_token: str
    expires_in: int
    scope: tuple[str, ...]
    more: Mapping[str, object] = field(default_factory=dict)


class GrantHandler(Protocol):
    """Gives tokens for one grant, to clients that are registered for it."""

    grant: Grant

    async def give(self, client: RegisteredClient, form: Form) -> GivenToken: ...
