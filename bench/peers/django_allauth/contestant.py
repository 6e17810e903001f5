"""django-allauth headless: Django's accounts as an API, for apps that hold tokens."""

import contextlib
import uuid
from collections.abc import Iterator

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.harness import servers
from bench.harness.clients import PASSWORD
from bench.harness.cluster import HOST, Cluster, free_port
from bench.harness.load import Answer, Connection, Step, request
from bench.peers.contestant import Contestant, Hashing
from bench.peers.environment import Environment, new_database
from bench.peers.installed import run
from bench.peers.steps import Anew, again, succeed

ENVIRONMENT = Environment("django_allauth")
_APP = "/_allauth/app/v1"


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    """Migrate, then serve: as many threads as connections, since its views are synchronous."""
    environment = {
        "PYTHONPATH": str(ENVIRONMENT.sources),
        "DJANGO_SETTINGS_MODULE": "settings",
        "DATABASE_URL": new_database(cluster, ENVIRONMENT.name),
        "SECRET": servers.SECRET,
        "HASHING": hashing,
        "JWT_PRIVATE_KEY": _private_key(),
    }
    migrate = [ENVIRONMENT.python, "-m", "django", "migrate", "--verbosity", "0"]
    run(migrate, ENVIRONMENT.sources, environment)
    port = free_port()
    command = [
        *(ENVIRONMENT.python, "-m", "gunicorn", "django.core.wsgi:get_wsgi_application()"),
        *("--bind", f"{HOST}:{port}", "--workers", "1"),
        *("--worker-class", "gthread", "--threads", "10", "--keep-alive", "75"),
        *("--log-level", "warning", "--no-control-socket"),
    ]
    with servers.run(command, port, f"{_APP}/config", environment) as server:
        yield server


def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


async def _registered(connection: Connection) -> tuple[str, Answer]:
    """Register somebody new; return the address and the answer, with tokens."""
    email = f"{uuid.uuid4().hex}@example.com"
    body = {"email": email, "password": PASSWORD}
    wire = request("POST", f"{_APP}/auth/signup", body=body)
    return email, await succeed(connection, wire, holds=b'"refresh_token"')


async def logs_in(connection: Connection, _: int) -> Step:
    """Signs in again and again as one user of its own."""
    email, _answer = await _registered(connection)
    wire = request("POST", f"{_APP}/auth/login", body={"email": email, "password": PASSWORD})
    return again(connection, wire, holds=b'"refresh_token"')


async def refreshes(connection: Connection, _: int) -> Step:
    """Refreshes a session of its own; each refresh token serves once."""
    _email, answer = await _registered(connection)
    token = answer.json()["meta"]["refresh_token"]

    async def step() -> int:
        nonlocal token
        wire = request("POST", f"{_APP}/tokens/refresh", body={"refresh_token": token})
        answer = await succeed(connection, wire)
        token = answer.json()["data"]["refresh_token"]
        return answer.status

    return step


async def asks_me(connection: Connection, _: int) -> Step:
    """Asks for its session, with one access token."""
    email, answer = await _registered(connection)
    token = answer.json()["meta"]["access_token"]
    wire = request("GET", f"{_APP}/auth/session", token=token)
    return again(connection, wire, holds=email.encode())


CONTESTANT = Contestant(
    name="django-allauth headless",
    version=f"{ENVIRONMENT.version('django-allauth')}, Django {ENVIRONMENT.version('django')}",
    runtime="Python",
    hashing="PBKDF2-SHA256 at Django's default rounds, on threads",
    install=ENVIRONMENT.install,
    start=start,
    clients={
        "register": Anew(_registered),
        "login": logs_in,
        "refresh": refreshes,
        "me": asks_me,
    },
    notes={
        "register": "signs in, too; opens a session's row",
        "refresh": "rotates: reads the session and the user, writes the session (RS256)",
        "me": "verifies the token (RS256), reads the session's row and the user's",
        "list": "it has none but the HTML pages of Django's admin",
    },
)
