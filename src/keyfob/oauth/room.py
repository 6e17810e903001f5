"""The room of OAuth 2 for programs."""

from keyfob.clients.models import AuthMethod
from keyfob.clients.resources import Resources
from keyfob.clients.service import Clients
from keyfob.core.rooms import Room
from keyfob.limits.service import Limits
from keyfob.oauth import routes
from keyfob.oauth.authentication import ClientAuthentication, SecretProof
from keyfob.oauth.grants.client_credentials import ClientCredentials
from keyfob.oauth.targets import Targets
from keyfob.oauth.token_endpoint import TokenEndpoint
from keyfob.tokens.access import AccessTokens


def build(*, limits: Limits, clients: Clients, resources: Resources, tokens: AccessTokens) -> Room:
    """Build the services that authenticate clients and issue tokens."""
    by_secret = SecretProof(clients)
    authentication = ClientAuthentication(
        proofs={AuthMethod.BASIC: by_secret, AuthMethod.POST: by_secret},
        failures=limits.client_failures,
        calls=limits.client,
    )
    targets = Targets(resources=resources)
    grants = [ClientCredentials(targets=targets, tokens=tokens)]
    endpoint = TokenEndpoint(
        authentication=authentication, grants={handler.grant: handler for handler in grants}
    )
    return Room(services=[authentication, endpoint], routes=[routes.routes])
