"""The room of clients and resources."""

from keyfob.clients.documents import DocumentHosts
from keyfob.clients.origins import Origins
from keyfob.clients.registration_tokens import RegistrationTokens
from keyfob.clients.resources import Resources
from keyfob.clients.self_registration import SelfRegistered
from keyfob.clients.service import Clients
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.core.feed import Feed
from keyfob.core.machine_secrets import MachineSecrets
from keyfob.core.outbound import Outbound
from keyfob.core.rooms import Chore, Room
from keyfob.sessions.grants import Grants
from keyfob.sessions.revocations import Revocations
from keyfob.settings import Settings


def build(
    *,
    settings: Settings,
    db: Database,
    clock: Clock,
    secrets: SecretKeyring,
    revocations: Revocations,
    of_apps: Grants,
) -> Room:
    """Build the services that find clients and resources, and the client for what they register."""
    resources = Resources(
        db=db, clock=clock, issuer=settings.issuer_url, audience=settings.audience
    )
    hosts = DocumentHosts(
        is_on=settings.client_documents and settings.pages,
        allowed=settings.client_document_hosts,
        denied=settings.client_document_hosts_denied,
    )
    self_registered = SelfRegistered(
        resources=resources,
        open_to=settings.self_registered_resources,
        hosts=hosts,
        own=(settings.issuer_url, settings.public_base),
    )
    clients = Clients(
        db=db,
        clock=clock,
        revocations=revocations,
        secrets=MachineSecrets(secrets.derive("client secrets"), "kfs_"),
        self_registered=self_registered,
        grants=of_apps,
    )
    tokens = RegistrationTokens(
        db=db,
        clock=clock,
        secrets=MachineSecrets(secrets.derive("registration tokens"), "kfi_"),
    )
    origins = Origins(
        db=db,
        open_to_all=settings.pages
        and (settings.dynamic_registration == "open" or (hosts.is_on and not hosts.allowed)),
    )
    outbound = Outbound(allow=settings.outbound_allow, ca_file=settings.outbound_ca_file)

    def listen(feed: Feed) -> None:
        feed.hear_and_reload("resources", resources.load)
        feed.hear_and_reload("browser_apps", origins.load)
        feed.hear("client", clients.hear)
        feed.poll_with(resources.poll)

    return Room(
        services=[clients, resources, origins, outbound, self_registered, tokens],
        chores=[
            Chore("ids of clients", 5, clients.read_ids, at_start=True),
            # Workers that poll hear no notices.
            Chore("origins of browser apps", 5, origins.load),
            Chore("uses of secrets", 10, clients.write_uses),
            Chore("old client secrets", 3600, clients.clean_up),
            Chore("old registration tokens", 3600, tokens.clean_up),
        ],
        listen=listen,
        last=clients.write_uses,
        close=outbound.close,
    )
