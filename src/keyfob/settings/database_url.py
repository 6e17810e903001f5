"""Database URLs, as providers and other clients write them, converted for asyncpg.

asyncpg would pass unknown parameters to the server, which then refuses the connection.
"""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode

from keyfob.settings.urls import split_url

LIKE = "postgresql://user:password@host:5432/name"

_HOST = re.compile(r"(?P<name>\[[^\[\]]+\]|[^:\[\]]*)(?::(?P<port>\d{1,5}))?")
_KINDS_OF_HOST = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# As libpq treats JDBC's `ssl=true`, and as Node's driver calls a connection that trusts anybody.
_MODES_ELSEWHERE = {
    "true": "require",
    "1": "require",
    "on": "require",
    "no-verify": "require",
    "false": "disable",
    "0": "disable",
    "off": "disable",
}


def N_(sentence: str) -> str:  # noqa: N802 - as in `core.locales`, which stands above settings
    """Mark a sentence that is said later, perhaps in another language."""
    return sentence


_TIME_OUT = N_(
    "KEYFOB_DATABASE_ACQUIRE_TIMEOUT and KEYFOB_DATABASE_COMMAND_TIMEOUT bound every wait"
)
_POOL = N_("KEYFOB_DATABASE_POOL_SIZE and KEYFOB_DATABASE_ACQUIRE_TIMEOUT say it")
_POOLER = N_("KEYFOB_DATABASE_POOLER says what stands between")
_OWN = N_("Keyfob chooses it")
_NO_KERBEROS = N_("the driver signs in by a password or a certificate")
_NOT_HELD = N_("it cannot be had; sslmode=verify-full sees that this is the server")
_IGNORED = {
    **dict.fromkeys(("channel_binding", "require_auth", "requirepeer"), _NOT_HELD),
    **dict.fromkeys(("krbsrvname", "gsslib"), _NO_KERBEROS),
    **dict.fromkeys(("connect_timeout", "connectTimeout", "tcp_user_timeout"), _TIME_OUT),
    **dict.fromkeys(("keepalives", "keepalives_idle", "keepalives_interval"), _TIME_OUT),
    **dict.fromkeys(("keepalives_count", "loginTimeout", "socketTimeout"), _TIME_OUT),
    **dict.fromkeys(("tcpKeepAlive", "socket_timeout"), _TIME_OUT),
    **dict.fromkeys(("connection_limit", "pool_timeout", "pool_size", "max_overflow"), _POOL),
    **dict.fromkeys(("pgbouncer", "statement_cache_size", "prepareThreshold"), _POOLER),
    **dict.fromkeys(("prepared_statement_cache_size",), _POOLER),
    **dict.fromkeys(("application_name", "ApplicationName", "fallback_application_name"), _OWN),
    **dict.fromkeys(("client_encoding", "replication", "schema", "currentSchema"), _OWN),
    **dict.fromkeys(("load_balance_hosts", "sslcompression", "sslsni", "sslcertmode"), _OWN),
    **dict.fromkeys(("sslkeylogfile", "gssdelegation", "uselibpqcompat"), _OWN),
    **dict.fromkeys(("min_protocol_version", "max_protocol_version", "servicefile"), _OWN),
}
# asyncpg reads these only if it makes the TLS context, and it makes none for `system`.
_FOR_FILES_ALONE = (
    *("sslcert", "sslkey", "sslpassword", "sslcrl"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)


_IS_IGNORED = N_("%(name)s is ignored: %(why)s")


class Remark(NamedTuple):
    """A parameter that was left out of a URL, and why."""

    name: str
    why: str

    def said(self, say: Callable[[str], str]) -> str:
        """Return it as a line; `say` translates a sentence."""
        return say(_IS_IGNORED) % {"name": self.name, "why": say(self.why)}


class DatabaseUrl(NamedTuple):
    """The URL for asyncpg, and what was left out of it."""

    dsn: str
    remarks: list[Remark]


def read_database_url(url: str) -> DatabaseUrl:
    """Read the URL of a database.

    Raises:
        ValueError: it is not one, or asks for something unsupported; no value of it is repeated.
    """
    parts = split_url(url, LIKE)
    hosts = [_HOST.fullmatch(host) for host in parts.netloc.rpartition("@")[2].split(",")]
    if parts.scheme not in {"postgresql", "postgres"} or not all(
        host is not None and int(host["port"] or 0) <= 65535 for host in hosts
    ):
        raise ValueError(f"should be like {LIKE}")
    given = _parameters(parts.query)
    ignored = {name: _IGNORED[name] for name in given if name in _IGNORED}
    kept = {name: value for name, value in given.items() if name not in ignored}
    for translate in (_translate_gss, _translate_tls, _check_places):
        translate(kept)
    remarks = [Remark(name, why) for name, why in ignored.items()]
    before = _without_what_is_told_twice(parts, kept)
    if before == parts and kept == given and _is_tidy(parts.query):
        return DatabaseUrl(url, remarks)
    query = urlencode(kept, quote_via=quote, safe="/:,")
    dsn = f"{before.scheme}://{before.netloc}{before.path}"
    return DatabaseUrl(dsn + (f"?{query}" if query else ""), remarks)


def _without_what_is_told_twice(parts: SplitResult, parameters: dict[str, str]) -> SplitResult:
    """Remove parts that a parameter repeats; the parameter takes precedence, as with libpq.

    Hosts and their ports belong together: if one of them is removed, both become parameters.
    """
    login, _, netloc = parts.netloc.rpartition("@")
    user, colon, password = login.partition(":")
    if "user" in parameters:
        user = ""
    if "password" in parameters:
        colon = password = ""
    if netloc and not parameters.keys().isdisjoint(("host", "port")):
        hosts = [host for each in netloc.split(",") if (host := _HOST.fullmatch(each))]
        if any(host["port"] for host in hosts):
            ports = ",".join(host["port"] or "5432" for host in hosts)
            parameters.setdefault("port", ports)
        parameters.setdefault("host", ",".join(unquote(host["name"]) for host in hosts))
        netloc = ""
    login = f"{user}{colon}{password}"
    netloc = f"{login}@{netloc}" if login else netloc
    return parts._replace(netloc=netloc, path="" if "dbname" in parameters else parts.path)


def _is_tidy(query: str) -> bool:
    return all("=" in part and not part.endswith("=") for part in query.split("&") if query)


def _parameters(query: str) -> dict[str, str]:
    """Return the parameters with a value; of a repeated one the last, as libpq does."""
    pieces = [piece.partition("=") for piece in query.split("&") if piece]
    if not all(name and equals for name, equals, _ in pieces):
        raise ValueError("should have its parameters as name=value")
    return dict(parse_qsl(query))


def _translate_gss(parameters: dict[str, str]) -> None:
    if parameters.pop("gssencmode", "disable") not in {"disable", "prefer"}:
        raise ValueError("gssencmode=require cannot be had; use sslmode=verify-full")


def _translate_tls(parameters: dict[str, str]) -> None:
    ssl = parameters.pop("ssl", None)
    if ssl is not None and "sslmode" not in parameters:
        parameters["sslmode"] = _mode_of(ssl, "ssl should be true or false")
    system = parameters.get("sslrootcert") == "system"
    if system:
        parameters.setdefault("sslmode", "verify-full")
    if "sslmode" in parameters:
        wrong = f"sslmode should be {', '.join(_MODES[:-1])} or {_MODES[-1]}"
        parameters["sslmode"] = _mode_of(parameters["sslmode"], wrong)
    if system and parameters["sslmode"] != "verify-full":
        raise ValueError("sslrootcert=system needs sslmode=verify-full")
    for name in _FOR_FILES_ALONE if system else ():
        if name in parameters:
            why = "name the file in which the system keeps its roots"
            raise ValueError(f"sslrootcert=system cannot be had with {name}; {why}")


def _mode_of(word: str, wrong: str) -> str:
    mode = _MODES_ELSEWHERE.get(word, word)
    if mode not in _MODES:
        raise ValueError(wrong)
    return mode


def _check_places(parameters: dict[str, str]) -> None:
    if "hostaddr" in parameters:
        raise ValueError("hostaddr should be host")
    if "database" in parameters:
        raise ValueError("database should be dbname")
    if parameters.get("target_session_attrs", "any") not in _KINDS_OF_HOST:
        raise ValueError(f"target_session_attrs should be one of {', '.join(_KINDS_OF_HOST)}")
    ports = parameters.get("port", "0").split(",")
    if not all(port.isdecimal() and len(port) < 6 and int(port) <= 65535 for port in ports):
        raise ValueError("port should be a number up to 65535, or one for each host")
