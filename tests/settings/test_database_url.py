"""The forms of a database's URL that providers and other clients hand out (issue 10: 1.4)."""

import pytest
from tests.settings.conftest import Refusal

from keyfob.settings import load_settings

HOST = "postgresql://keyfob:hunter2@db/keyfob"


@pytest.mark.parametrize(
    "url",
    [
        f"{HOST}?sslmode=verify-full",
        f"{HOST}?sslmode=verify-full&sslrootcert=system",
        f"{HOST}?sslmode=require&options=-c%20search_path%3Dkeyfob",
        f"{HOST}?statement_timeout=4000",
        "postgres://keyfob:p%40ss@db/keyfob",
        "postgresql:///keyfob?host=/run/postgresql",
        "postgresql://keyfob@%2Frun%2Fpostgresql/keyfob",
        "postgresql://keyfob@/keyfob?host=/run/postgresql&port=5433",
        "postgresql://keyfob:a:b@one:5432,two:5433/keyfob?target_session_attrs=read-write",
    ],
)
def test_what_is_taken_is_handed_on_as_it_is(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, url: str
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", url)

    assert refusal() == ""
    assert load_settings().dsn == url
    assert load_settings().remarks == []


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("?ssl=true", "?sslmode=require"),
        ("?ssl=1&sslrootcert=/etc/ca.pem", "?sslrootcert=/etc/ca.pem&sslmode=require"),
        ("?ssl=false", "?sslmode=disable"),
        ("?ssl=require", "?sslmode=require"),
        ("?ssl=true&sslmode=verify-full", "?sslmode=verify-full"),
        ("?sslmode=no-verify", "?sslmode=require"),
        ("?sslrootcert=system", "?sslrootcert=system&sslmode=verify-full"),
        ("?sslmode=&gssencmode=prefer&", ""),
        ("?gssencmode=disable&sslmode=require", "?sslmode=require"),
    ],
)
def test_what_other_clients_call_otherwise_is_translated(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, given: str, taken: str
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", HOST + given)

    assert refusal() == ""
    assert load_settings().dsn == HOST + taken
    assert load_settings().remarks == []


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("keyfob:98@db/keyfob?password=99", "keyfob@db/keyfob?password=99"),
        ("keyfob:98@db/keyfob?user=other", ":98@db/keyfob?user=other"),
        ("keyfob:98@db/keyfob?user=a&password=b", "db/keyfob?user=a&password=b"),
        ("keyfob@db/keyfob?dbname=other", "keyfob@db?dbname=other"),
        ("db/keyfob?host=/run", "/keyfob?host=/run"),
        ("keyfob@db:5433/keyfob?port=5434", "keyfob@/keyfob?port=5434&host=db"),
        ("keyfob@localhost/keyfob?host=/cloudsql/a:b", "keyfob@/keyfob?host=/cloudsql/a:b"),
        ("keyfob@db:5433/keyfob?host=/run", "keyfob@/keyfob?host=/run&port=5433"),
        ("keyfob@one:5433,two/kf?host=a,b", "keyfob@/kf?host=a,b&port=5433,5432"),
        ("keyfob@%2Frun%2Fpg/kf?port=5433", "keyfob@/kf?port=5433&host=/run/pg"),
        ("keyfob@[::1]:5432/kf?port=5433", "keyfob@/kf?port=5433&host=%5B::1%5D"),
    ],
)
def test_a_parameter_wins_over_what_stands_before_it(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, given: str, taken: str
) -> None:
    """As in libpq; asyncpg would take the earlier one."""
    monkeypatch.setenv("KEYFOB_DATABASE_URL", f"postgresql://{given}")

    assert refusal() == ""
    assert load_settings().dsn == f"postgresql://{taken}"


@pytest.mark.parametrize(
    "parameter",
    [
        "krbsrvname=pg",
        "gsslib=gssapi",
        "channel_binding=require",
        "connect_timeout=10",
        "keepalives=1",
        "keepalives_idle=30",
        "keepalives_interval=10",
        "keepalives_count=3",
        "tcp_user_timeout=1000",
        "pgbouncer=true",
        "connection_limit=1",
        "pool_timeout=10",
        "client_encoding=utf8",
        "application_name=app",
        "sslcompression=0",
        "load_balance_hosts=random",
        "require_auth=scram-sha-256",
        "schema=public",
        "prepareThreshold=0",
    ],
)
def test_what_is_not_taken_is_ignored_with_a_line(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, parameter: str
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_DIRECT_URL", f"{HOST}?{parameter}")
    monkeypatch.setenv("KEYFOB_DATABASE_URL", f"{HOST}?sslmode=require&{parameter}")

    assert refusal() == ""
    settings = load_settings()
    assert (settings.dsn, settings.direct_dsn) == (f"{HOST}?sslmode=require", HOST)
    (one, other) = settings.remarks
    name = parameter.partition("=")[0]
    assert one.startswith(f"KEYFOB_DATABASE_URL: {name} is ignored: ")
    assert other.startswith(f"KEYFOB_DATABASE_DIRECT_URL: {name} is ignored: ")
    assert "hunter2" not in one + other


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("gssencmode=require", "gssencmode=require cannot be had; use sslmode=verify-full"),
        ("sslmode=strong", "sslmode should be disable, allow, prefer, require, verify-ca or ver"),
        ("ssl=perhaps", "ssl should be true or false"),
        ("sslmode=require&sslrootcert=system", "sslrootcert=system needs sslmode=verify-full"),
        *(
            (f"sslrootcert=system&{name}=hunter2", f"sslrootcert=system cannot be had with {name};")
            for name in ("sslcert", "sslkey", "sslpassword", "sslcrl", "ssl_min_protocol_version")
        ),
        ("port=abc", "port should be a number"),
        ("port=5432,65536", "port should be a number"),
        ("hostaddr=10.0.0.1", "hostaddr should be host"),
        ("database=other", "database should be dbname"),
        ("sslmode", "should have its parameters as name=value"),
        ("hunter2", "should have its parameters as name=value"),
        ("=hunter2", "should have its parameters as name=value"),
    ],
)
def test_what_cannot_be_had_is_refused(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, parameters: str, says: str
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", f"postgresql://keyfob@db/keyfob?{parameters}")

    assert refusal().startswith(f"KEYFOB_DATABASE_URL: {says}")
    assert "hunter2" not in refusal()
