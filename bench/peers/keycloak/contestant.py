"""Keycloak: its distribution from Maven Central, with direct grants and the admin's REST API."""

import base64
import contextlib
import hashlib
import html
import re
import tarfile
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path

from bench.harness import servers
from bench.harness.app_user import Endpoints, path_of, place_of
from bench.harness.browsing import Browser, text_of
from bench.harness.clients import PASSWORD
from bench.harness.cluster import HOST, Cluster, free_port
from bench.harness.load import Answer, Connection, Step, request
from bench.peers.apps import AtPage, SignsIn
from bench.peers.contestant import Contestant, Hashing, Unavailable
from bench.peers.environment import new_database
from bench.peers.installed import INSTALLED, install_once, program, run
from bench.peers.keycloak.java import java_home
from bench.peers.people import PAGE, PART, SOMEBODY, People
from bench.peers.programs import GetsTokens, IntrospectsItsOwn
from bench.peers.steps import again, pages_by_offset, succeed

NAME = "keycloak"
PINNED = Path(__file__).with_name("distribution.toml")
DISTRIBUTION: dict[str, str] = tomllib.loads(PINNED.read_text())
VERSION = DISTRIBUTION["version"]
FOLDER = INSTALLED / NAME
TOKENS = "/realms/bench/protocol/openid-connect/token"
USERS = "/admin/realms/bench/users"
SERVICE = ("service", "a secret of the benchmark only")  # as in realm.json
_KEY_NUMBER = 4711  # of the app that is bound to its key; its public half is in realm.json
_OIDC = "/realms/bench/protocol/openid-connect"
_ENDPOINTS = Endpoints(
    authorize=f"{_OIDC}/auth",
    token=TOKENS,
    par=f"{_OIDC}/ext/par/request",
    issuer="http://bench/realms/bench",
    token_url=f"http://bench{TOKENS}",
)

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_INSERT = """
INSERT INTO user_entity (id, username, email, email_constraint, email_verified, enabled, realm_id,
                         first_name, last_name, created_timestamp, not_before)
SELECT gen_random_uuid(), address, address, address, true, true, realm.id, 'Some', 'Body', 0, 0
  FROM generate_series($1::int, $2::int) AS n,
       LATERAL (SELECT md5(n || '') || '@example.com' AS address) AS made,
       realm
 WHERE realm.name = 'bench'
"""
PEOPLE = People(NAME, _INSERT, ("user_entity",))


def install() -> None:
    """Unpack the pinned distribution and build it for PostgreSQL.

    Raises:
        Unavailable: Maven or Java is missing, or the artifact cannot be had or is another.
    """
    install_once(NAME, [PINNED], _put)


def _put(folder: Path) -> None:
    home = java_home()
    archive = folder / f"keycloak-quarkus-dist-{VERSION}.tar.gz"
    artifact = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"
    options = [f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    run([program("mvn"), "--quiet", "--batch-mode", _COPY, *options], folder)
    with archive.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != DISTRIBUTION["sha256"]:
            raise Unavailable(f"{archive.name} is not the one that is pinned")
    with tarfile.open(archive) as unpacked:
        unpacked.extractall(folder, filter="data")
    archive.unlink()
    (folder / f"keycloak-{VERSION}").rename(folder / "home")
    run([str(folder / "home/bin/kc.sh"), "build", "--db=postgres"], folder, {"JAVA_HOME": home})


@contextlib.contextmanager
def start(cluster: Cluster, hashing: Hashing) -> Iterator[servers.Server]:
    """Import our realm, which makes the tables, too, and its people; then start it."""
    if hashing == "ours":
        raise Unavailable("it hashes with Argon2 or PBKDF2; it has no bcrypt")
    dsn = new_database(cluster, NAME)
    port = free_port()
    environment = {
        "JAVA_HOME": java_home(),
        "KC_DB_URL": f"jdbc:postgresql://{dsn.partition('@')[2]}",
        "KC_DB_USERNAME": "postgres",
        "KC_DB_POOL_MAX_SIZE": "10",
        "KC_CACHE": "local",
        "KC_HTTP_ENABLED": "true",
        "KC_HTTP_HOST": HOST,
        "KC_HTTP_PORT": str(port),
        "KC_HOSTNAME_STRICT": "false",
        "KC_LOG_LEVEL": "error",
    }
    program_path = str(FOLDER / "home/bin/kc.sh")
    realm = str(Path(__file__).with_name("realm.json"))
    run([program_path, "import", "--optimized", "--file", realm], FOLDER, environment)
    PEOPLE.fill(cluster)
    command = [program_path, "start", "--optimized"]
    with servers.run(command, port, "/realms/bench", environment) as server:
        yield server


def _granted(**form: str) -> bytes:
    return request("POST", TOKENS, form={"client_id": "app", "scope": "openid", **form})


def _logs_in(email: str) -> bytes:
    return _granted(grant_type="password", username=email, password=PASSWORD)


def _basic() -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(":".join(SERVICE).encode()).decode()}


async def _admin(connection: Connection) -> str:
    """Return an access token of the service that may manage users; it lives for 5 minutes."""
    form = {"grant_type": "client_credentials"}
    answer = await succeed(connection, request("POST", TOKENS, form=form, headers=_basic()))
    token: str = answer.json()["access_token"]
    return token


async def _register(connection: Connection, admin: str) -> str:
    email = f"{uuid.uuid4().hex}@example.com"
    person = {
        "username": email,
        "email": email,
        "emailVerified": True,
        "firstName": "Ada",
        "lastName": "Lovelace",
        "enabled": True,
        "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
    }
    wire = request("POST", USERS, token=admin, body=person)
    await succeed(connection, wire, status=201)
    return email


async def _tokens(connection: Connection) -> dict[str, str]:
    """Register somebody new, sign in and return the tokens."""
    email = await _register(connection, await _admin(connection))
    tokens: dict[str, str] = (await succeed(connection, _logs_in(email))).json()
    return tokens


async def registers(connection: Connection, _: int) -> Step:
    """Makes somebody new each time, as a service that may."""
    admin = await _admin(connection)

    async def step() -> int:
        await _register(connection, admin)
        return 201

    return step


async def logs_in(connection: Connection, _: int) -> Step:
    """Signs in again and again as one user of its own."""
    wire = _logs_in(await _register(connection, await _admin(connection)))
    return again(connection, wire, holds=b'"refresh_token":"')


async def refreshes(connection: Connection, _: int) -> Step:
    """Refreshes a session of its own."""
    token = (await _tokens(connection))["refresh_token"]

    async def step() -> int:
        nonlocal token
        wire = _granted(grant_type="refresh_token", refresh_token=token)
        answer = await succeed(connection, wire)
        token = answer.json()["refresh_token"]
        return answer.status

    return step


async def asks_userinfo(connection: Connection, _: int) -> Step:
    """Asks for the userinfo of one token."""
    token = (await _tokens(connection))["access_token"]
    wire = request("GET", "/realms/bench/protocol/openid-connect/userinfo", token=token)
    return again(connection, wire, holds=b'"email":')


async def introspects(connection: Connection, _: int) -> Step:
    """Introspects one token, as a resource server does (RFC 7662)."""
    form = {"token": (await _tokens(connection))["access_token"]}
    wire = request("POST", f"{TOKENS}/introspect", form=form, headers=_basic())
    return again(connection, wire, holds=b'"active":true')


async def lists(connection: Connection, _: int) -> Step:
    """Lists the first users."""
    wire = request("GET", f"{USERS}?max={PAGE}", token=await _admin(connection))
    return again(connection, wire, holds=b'"email":')


async def pages(connection: Connection, _: int) -> Step:
    """Lists one page of users after the other."""
    token = await _admin(connection)
    return pages_by_offset(
        connection,
        lambda first: request("GET", f"{USERS}?max={PAGE}&first={first}", token=token),
        size=PAGE,
        holds=b'"email":',
    )


async def searches(connection: Connection, _: int) -> Step:
    """Searches for a part of an address; one user has it."""
    path = f"{USERS}?max={PAGE}&search=*{PART}*"
    wire = request("GET", path, token=await _admin(connection))
    return again(connection, wire, holds=SOMEBODY.encode())


async def _somebody(connection: Connection) -> AtPage:
    """Register somebody new, who types their password at the page."""
    email = await _register(connection, await _admin(connection))

    async def sign_in(browser: Browser, answer: Answer) -> str:
        form = re.search(r'<form[^>]* action="([^"]+)"', text_of(answer))
        assert form, answer
        action = path_of(html.unescape(form[1]))
        return place_of(await browser.post(action, username=email, password=PASSWORD))

    return sign_in


_RS256 = GetsTokens(TOKENS, SERVICE, alg="RS256")
_EDDSA = GetsTokens(TOKENS, ("signs by EdDSA", SERVICE[1]), alg="EdDSA")

CONTESTANT = Contestant(
    name="Keycloak",
    version=VERSION,
    runtime="JVM",
    hashing="argon2id (7 MiB, 5 passes, 1 lane)",
    install=install,
    start=start,
    clients={
        "register": registers,
        "login": logs_in,
        "refresh": refreshes,
        "me": asks_userinfo,
        "introspect": introspects,
        "app": SignsIn(_ENDPOINTS, "web", secret=SERVICE[1], somebody=_somebody),
        "app, bound": SignsIn(_ENDPOINTS, "bound", number=_KEY_NUMBER, somebody=_somebody),
        "list": lists,
        "page": pages,
        "search": searches,
        "program token": _RS256,
        "program token, signed": _EDDSA,
        "program introspects": IntrospectsItsOwn(_RS256, f"{TOKENS}/introspect"),
        "program introspects, signed": IntrospectsItsOwn(_EDDSA, f"{TOKENS}/introspect"),
    },
    people=PEOPLE,
    notes={
        "register": "the admin's REST API, which needs a token and opens no session",
        "login": "direct grant; signs access, refresh and ID token. The session's rows are "
        "committed without waiting for the disk (synchronous_commit off): a crash may lose them",
        "refresh": "revokes the old refresh token (by default Keycloak would not); signs access, "
        "refresh and ID token. Locks and writes two rows, and does not wait for the disk either",
        "me": "userinfo: verifies the token and finds its session in the cache, without a query",
        "introspect": "authenticates the client, too; without a query",
        "app": "signs access, refresh and ID token; the session is in the cache, and written too",
        "page": "by offset",
        "search": "part of an address, by reading all users",
        "program token": "as it comes: a JWT (RS256); signed: by EdDSA. Without a query; it keeps "
        "no session for these",
        "program introspects": "authenticates the client and verifies the token; without a query",
    },
)
