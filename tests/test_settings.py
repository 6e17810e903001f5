"""Settings: a wrong one stops the start with its name, and no secret is repeated."""

from pathlib import Path
from typing import Any

import pytest

from keyfob.settings import Settings, WrongSetting, load_settings, secret_fields, variable_of

KEY = "a key of the tests that is long enough"
PLANTED = "hunter2"


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without `.env`, and an environment without our variables."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(variable_of(name), raising=False)
    return tmp_path


def refusal(**overrides: Any) -> str:
    with pytest.raises(WrongSetting) as refused:
        load_settings(**overrides)
    return str(refused.value)


def test_everything_has_a_default() -> None:
    settings = load_settings()

    assert (settings.host, settings.port, settings.root_path) == ("127.0.0.1", 8000, "/auth")
    assert settings.database_url is None
    assert settings.issuer_url == "http://localhost:8000/auth"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "eighty", "valid integer"),
        ("PORT", "70000", "less than or equal to 65535"),
        ("WORKERS", "0", "greater than or equal to 1"),
        ("ROOT_PATH", "auth", 'start with "/"'),
        ("ROOT_PATH", "/a b?c", 'like "/auth"'),
        ("ROOT_PATH", "//auth", 'like "/auth"'),
        ("ROOT_PATH", "/a/../b", 'like "/auth"'),
        ("TRUSTED_PROXIES", "10.0.0.0/8, nonsense", 'networks like "10.0.0.0/8"'),
        ("TRUSTED_PROXIES", "10.0.0.0/8,::/0", "name the networks of your proxies"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", 'networks like "10.0.0.0/8"'),
        ("OUTBOUND_ALLOW", "10.0.0.0/8, not a host", "hosts or networks"),
        ("OUTBOUND_ALLOW", "keys.internal, 10.0.0.0/8, 0.0.0.0/0", "not be every address"),
        ("OUTBOUND_CA_FILE", "/nowhere/ca.pem", "file with certificates"),
        ("DOCS", "perhaps", "valid boolean"),
        ("DATABASE_URL", f"mysql://u:{PLANTED}@db/keyfob", "postgresql://user:password@host"),
        ("DATABASE_URL", f"postgresql+asyncpg://u:{PLANTED}@db/x", "postgresql://user:password"),
        ("DATABASE_URL", f"postgresql://u:{PLANTED}@db:port/x", "postgresql://user:password@host"),
        ("DATABASE_URL", f"postgresql://u:{PLANTED}@db:65536/x", "postgresql://user:password@host"),
        ("DATABASE_URL", f"postgresql://u:{PLANTED}@[db/x", "postgresql://user:password@host"),
        ("DATABASE_DIRECT_URL", f"mysql://u:{PLANTED}@db/keyfob", "postgresql://user:password"),
        ("DATABASE_POOLER", "session", "'none', 'transaction' or 'prepared'"),
        ("FEED", "redis://cache", "'auto', 'notify' or 'poll'"),
        ("DATABASE_POOL_SIZE", "1", "greater than or equal to 2"),
        ("DATABASE_ACQUIRE_TIMEOUT", "nan", "less than or equal to 60"),
        ("SECRET_KEY", PLANTED, "at least 32 characters"),
        ("SECRET_KEY", f"{KEY},{PLANTED}", "at least 32 characters"),
        ("SECRET_KEY", ",", "at least 32 characters"),
        ("MAKE_SECRET_KEY", "2", "valid boolean"),
        ("ISSUER", "login.example.com", '"https://"'),
        ("ISSUER", "https://a.com:99999/auth", "a host and a port in it"),
        ("ISSUER", "https://a.com:abc", "a host and a port in it"),
        ("ISSUER", "https://a.com/auth?x=1", "no query and no fragment"),
        ("PUBLIC_URL", "https://bücher..example", "written in punycode"),
        ("PUBLIC_URL", "https://a.com:abc", "a host and a port in it"),
        ("PUBLIC_URL", "https://a.com:0", "a host and a port in it"),
        ("PUBLIC_URL", "https://:443/", "a host and a port in it"),
        ("PUBLIC_URL", "https://a..com", "a host and a port in it"),
        ("PUBLIC_URL", f"https://{'a' * 64}.com", "a host and a port in it"),
        ("PUBLIC_URL", "https://[::1", "Invalid IPv6 URL"),
        ("PUBLIC_URL", "https://a.com/#f", "no query and no fragment"),
        ("CORS_ORIGINS", "https://a..com", "exact origins"),
        ("METRICS_HOST", "a..b", "an address or a name"),
        ("ACCESS_TOKEN_TTL", "5m", "valid integer"),
        ("ACCESS_TOKEN_TTL", "0", "greater than 0"),
        ("SIGNING_ALGORITHM", "HS256", "'EdDSA', 'ES256' or 'RS256'"),
        ("KEY_ROTATION_DAYS", "9" * 30, "less than or equal to 36500"),
        ("LOGIN_LOG_RETENTION_DAYS", "9" * 30, "less than or equal to 36500"),
        ("ENDED_SESSION_RETENTION_DAYS", "9" * 30, "less than or equal to 36500"),
        ("REFRESH_GRACE", "-1", "greater than or equal to 0"),
        ("PASSWORD_SCHEME", "md5", "'bcrypt' or 'argon2id'"),
        ("BCRYPT_COST", "31", "less than or equal to 16"),
        ("BREACHED_PASSWORDS_URL", "range/", '"https://"'),
        ("BREACHED_PASSWORDS_URL", "https://a.com:abc/range/", "a host and a port in it"),
        ("LIMITS", "no", "'on' or 'off'"),
        ("LIMIT_STORE", f"redis://:{PLANTED}@h/0?{PLANTED}=1", "no parameters but client_name, db"),
        ("LIMIT_STORE", f"redis://:{PLANTED}@h/first", "redis://:password@host:6379/0"),
        ("LIMIT_LOGIN", "often", '"5/minute"'),
        ("LIMIT_LOGIN", "5/10year", '"5/minute"'),
        ("SMTP_URL", f"http://u:{PLANTED}@mail", "smtp://user:password@host"),
        ("SMTP_URL", f"smtp://u:{PLANTED}@", "smtp://user:password@host"),
        ("SMTP_URL", f"smtp://u:{PLANTED}@mail:port", "smtp://user:password@host"),
        ("SMTP_URL", f"smtp://u:{PLANTED}@mail?tls=1", "smtp://user:password@host"),
        ("SMTP_TIMEOUT", "0", "greater than 0"),
        ("MAIL_FROM", "Keyfob", '"Keyfob <no-reply@example.com>"'),
        ("MAIL_FROM", "a@b.c\r\nBcc: d@e.f", '"Keyfob <no-reply@example.com>"'),
        ("LIMIT_MAIL", "often", '"5/minute"'),
        ("TOTP_ISSUER", "Example: sign in", 'without ":"'),
        ("TOTP_ISSUER", "e" * 41, "at most 40 characters"),
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("METRICS_PORT", "-1", "greater than or equal to 0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"KEYFOB_{name}", value)

    message = refusal()

    assert message.startswith(f"KEYFOB_{name}: ")
    assert says in message
    assert PLANTED not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://keyfob:p%40ss@db.example.com:5432/keyfob?sslmode=require",
        "postgres://keyfob@db/keyfob",
        "postgresql://keyfob@one:5432,two:5433/keyfob",
        "postgresql://keyfob@[2001:db8::1]:5432/keyfob",
        "postgresql://keyfob@/keyfob?host=/run/postgresql&port=5432",
        "postgresql:///keyfob",
    ],
)
def test_the_forms_of_a_database_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", url)

    assert load_settings().dsn == url


def test_an_unknown_variable_is_refused_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEYFOB_PROT", "9000")

    assert refusal() == "KEYFOB_PROT: there is no such setting; did you mean KEYFOB_PORT?"


def test_an_unknown_variable_in_dotenv_is_refused_too(bare_environment: Path) -> None:
    (bare_environment / ".env").write_text("POSTGRES_USER=fine\nKEYFOB_QUUX=1\n")

    assert refusal() == "KEYFOB_QUUX: there is no such setting"


def test_only_secrets_come_from_files(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_PORT_FILE", str(bare_environment / "port"))

    assert refusal().startswith("KEYFOB_PORT_FILE: there is no such setting")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("secret_key", KEY),
        ("database_url", "postgresql://keyfob@db/keyfob"),
        ("database_direct_url", "postgresql://keyfob@db/keyfob"),
        ("limit_store", "redis://cache"),
        ("admin_password", " with spaces "),
    ],
)
def test_every_secret_can_come_from_a_file(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: str, ending: str
) -> None:
    (bare_environment / "secret").write_bytes((value + ending).encode())
    monkeypatch.setenv(f"{variable_of(field)}_FILE", str(bare_environment / "secret"))

    assert field in secret_fields()
    assert getattr(load_settings(), field).get_secret_value() == value


def test_the_file_of_a_secret_can_be_named_in_dotenv(bare_environment: Path) -> None:
    (bare_environment / "secret").write_text(KEY)
    (bare_environment / ".env").write_text("KEYFOB_SECRET_KEY_FILE=secret\n")

    assert load_settings().secret_keys == [KEY]


def test_a_file_that_cannot_be_read_is_named(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bare_environment / "none"
    monkeypatch.setenv("KEYFOB_SECRET_KEY_FILE", str(path))
    assert refusal() == f"KEYFOB_SECRET_KEY_FILE: {path} cannot be read: No such file or directory"

    path.write_bytes(b"\xff\xfe" * 40)
    assert refusal() == f"KEYFOB_SECRET_KEY_FILE: {path} cannot be read: it is no text in UTF-8"


@pytest.mark.parametrize("secret", [PLANTED, f"/{PLANTED}/{PLANTED}", PLANTED * 200])
def test_a_secret_that_stands_where_its_file_should_is_not_printed(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("KEYFOB_SECRET_KEY_FILE", secret)

    said = refusal()

    assert said.startswith("KEYFOB_SECRET_KEY_FILE: cannot be read: ")
    assert PLANTED not in said


def test_what_a_file_holds_is_checked_like_a_variable(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare_environment / "secret").write_text(PLANTED)
    monkeypatch.setenv("KEYFOB_SECRET_KEY_FILE", str(bare_environment / "secret"))

    assert refusal() == "KEYFOB_SECRET_KEY: each key should have at least 32 characters"


def test_a_dotenv_that_is_no_text_is_refused(bare_environment: Path) -> None:
    (bare_environment / ".env").write_bytes(b"KEYFOB_ISSUER=\xff\xfe\n")

    assert refusal() == ".env: cannot be read: it is no text in UTF-8"


def test_options_win_over_environment_over_dotenv_over_defaults(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare_environment / ".env").write_text("KEYFOB_PORT=9001\nKEYFOB_WORKERS=2\nKEYFOB_DOCS=off\n")
    monkeypatch.setenv("KEYFOB_PORT", "9002")
    monkeypatch.setenv("KEYFOB_WORKERS", "3")

    settings = load_settings(port=9003, host=None)

    assert (settings.port, settings.workers, settings.docs) == (9003, 3, False)
    assert settings.host == "127.0.0.1"


def test_a_file_wins_over_the_variable_beside_it_and_the_environment_over_dotenv(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare_environment / "old").write_text(KEY + " in the file of .env")
    (bare_environment / ".env").write_text("KEYFOB_SECRET_KEY_FILE=old\n")
    monkeypatch.setenv("KEYFOB_SECRET_KEY", KEY + " in the environment")
    assert load_settings().secret_keys == [KEY + " in the environment"]

    (bare_environment / "new").write_text(KEY + " in a file")
    monkeypatch.setenv("KEYFOB_SECRET_KEY_FILE", str(bare_environment / "new"))
    assert load_settings().secret_keys == [KEY + " in a file"]


def test_an_empty_value_counts_as_none(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare_environment / ".env").write_text("KEYFOB_PORT=\nKEYFOB_SECRET_KEY_FILE=\n")
    for name in ("HOST", "DATABASE_URL", "SECRET_KEY", "DATA_DIR", "TRUSTED_PROXIES"):
        monkeypatch.setenv(f"KEYFOB_{name}", "")

    assert load_settings() == Settings(_env_file=None)  # type: ignore[call-arg] # pydantic's own


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_TRUSTED_PROXIES", " 10.0.0.0/8 ,fd00::/8,, 192.0.2.1")
    monkeypatch.setenv("KEYFOB_SECRET_KEY", f"{KEY} new , {KEY} old")

    settings = load_settings()

    assert [str(network) for network in settings.trusted_proxies] == [
        "10.0.0.0/8",
        "fd00::/8",
        "192.0.2.1/32",
    ]
    assert settings.secret_keys == [f"{KEY} new", f"{KEY} old"]


def test_the_root_path_has_no_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, kept in [("/", ""), ("/auth/", "/auth"), ("/a/b", "/a/b")]:
        monkeypatch.setenv("KEYFOB_ROOT_PATH", given)
        assert load_settings().root_path == kept


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("[::1]", ["::1"]),
        ("127.0.0.1, [::1] ,unix:/run/[1]", ["127.0.0.1", "::1", "unix:/run/[1]"]),
    ],
)
def test_an_address_may_have_the_brackets_of_a_url(host: str, taken: list[str]) -> None:
    assert load_settings(host=host).hosts == taken
    assert load_settings(metrics_host="[::1]").metrics_host == "::1"


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.com",
        "http://localhost:8000/auth/",
        "https://keyfob:8443",
        "https://[2001:db8::1]:443/auth",
        "https://Bücher.example:8443/a",
    ],
)
def test_the_forms_of_a_web_address(url: str) -> None:
    settings = load_settings(issuer=url, public_url=url)

    assert (settings.issuer, settings.public_url) == (url, url)
    assert load_settings(breached_passwords_url=f"{url}?prefix=").breached_passwords_url


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_SECRET_KEY", KEY)
    monkeypatch.setenv("KEYFOB_ADMIN_PASSWORD", PLANTED)

    shown = repr(load_settings())

    assert KEY not in shown
    assert PLANTED not in shown


@pytest.mark.parametrize("missing", ["dsn", "secret_keys"])
def test_what_is_not_set_is_named_when_it_is_needed(missing: str) -> None:
    with pytest.raises(WrongSetting, match=r"^KEYFOB_(DATABASE_URL|SECRET_KEY): should be set$"):
        getattr(load_settings(), missing)


@pytest.mark.parametrize(
    ("pooler", "direct", "feed", "polls"),
    [
        ("none", None, "auto", False),
        ("none", None, "notify", False),
        ("none", None, "poll", True),
        ("transaction", None, "auto", True),
        ("prepared", None, "auto", True),
        ("prepared", None, "poll", True),
        ("transaction", "postgresql://direct/keyfob", "auto", False),
        ("prepared", "postgresql://direct/keyfob", "notify", False),
        ("prepared", "postgresql://direct/keyfob", "poll", True),
    ],
)
def test_a_worker_polls_where_it_is_told_to_or_cannot_listen(
    pooler: str, direct: str | None, feed: str, polls: bool
) -> None:
    settings = load_settings(
        database_url="postgresql://pooler/keyfob",
        database_pooler=pooler,
        database_direct_url=direct,
        feed=feed,
    )

    assert settings.polls is polls
    assert settings.direct_dsn == (direct or "postgresql://pooler/keyfob")


def test_to_listen_through_a_pooler_is_refused() -> None:
    settings = load_settings(database_pooler="transaction", feed="notify")

    with pytest.raises(WrongSetting, match=r"^KEYFOB_DATABASE_DIRECT_URL: should be set"):
        _ = settings.polls
