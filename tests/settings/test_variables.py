"""The variables that count; none is silently ignored (issue 10: 1.2 and 2.5)."""

from pathlib import Path

import pytest
from tests.settings.conftest import Refusal

from keyfob.settings import load_settings, variable_of

SECRET = "TopSecretTail"


def write_dotenv(text: str) -> None:
    Path(".env").write_text(text, encoding="utf-8")


# What Kubernetes puts into every pod beside a Service named keyfob, and one named keyfob-metrics.
SERVICES = {
    "KEYFOB_SERVICE_HOST": "10.0.0.1",
    "KEYFOB_SERVICE_PORT": "80",
    "KEYFOB_SERVICE_PORT_HTTP": "80",
    "KEYFOB_PORT": "tcp://10.0.0.1:80",
    "KEYFOB_PORT_80_TCP": "tcp://10.0.0.1:80",
    "KEYFOB_PORT_80_TCP_PROTO": "tcp",
    "KEYFOB_PORT_80_TCP_PORT": "80",
    "KEYFOB_PORT_80_TCP_ADDR": "10.0.0.1",
    "KEYFOB_METRICS_SERVICE_HOST": "10.0.0.2",
    "KEYFOB_METRICS_SERVICE_PORT": "9464",
    "KEYFOB_METRICS_PORT": "tcp://10.0.0.2:9464",
    "KEYFOB_METRICS_PORT_9464_TCP_ADDR": "10.0.0.2",
    "KEYFOB_POSTGRESQL_PORT": "tcp://10.0.0.3:5432",
    "KEYFOB_POSTGRESQL_PORT_5432_TCP_PORT": "5432",
    "KEYFOB_DNS_PORT_53_UDP": "udp://10.0.0.4:53",
}


def test_the_variables_of_kubernetes_services_pass_and_their_ports_count_as_not_given(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    for name, value in SERVICES.items():
        monkeypatch.setenv(name, value)

    assert refusal() == ""
    assert (load_settings().port, load_settings().metrics_port) == (8000, 9464)


def test_a_port_in_dotenv_counts_beside_the_one_of_kubernetes(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    write_dotenv("KEYFOB_PORT=9000\n")
    monkeypatch.setenv("KEYFOB_PORT", "tcp://10.0.0.1:80")

    assert refusal() == ""
    assert load_settings().port == 9000
    assert load_settings(port=9001).port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEYFOB_PORT", "http://10.0.0.1:80"),
        ("KEYFOB_PORT_HTTP", "80"),
        ("KEYFOB_SERVICE_HOTS", "10.0.0.1"),
        ("KEYFOB_HOST_SERVICE", "10.0.0.1"),
    ],
)
def test_what_only_looks_like_kubernetes_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    assert refusal().startswith(f"{name}: ")


def test_kubernetes_writes_no_dotenv(refusal: Refusal) -> None:
    write_dotenv("KEYFOB_SERVICE_HOST=10.0.0.1\n")
    assert refusal().startswith("KEYFOB_SERVICE_HOST: there is no such setting")

    write_dotenv("KEYFOB_PORT=tcp://10.0.0.1:80\n")
    assert refusal().startswith("KEYFOB_PORT: Input should be a valid integer")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("KEYFOB_REQUIRE_MFA_FOR: admin", "line 3 (KEYFOB_REQUIRE_MFA_FOR) cannot be read"),
        ("KEYFOB_REQUIRE_MFA_FOR:admin", "line 3 (KEYFOB_REQUIRE_MFA_FOR) cannot be read"),
        ("KEYFOB_REQUIRE_MFA_FOR admin", "line 3 (KEYFOB_REQUIRE_MFA_FOR) cannot be read"),
        ("export KEYFOB_REQUIRE_MFA_FOR", "line 3 (KEYFOB_REQUIRE_MFA_FOR) cannot be read"),
        ("keyfob_require_mfa_for: admin", "line 3 (KEYFOB_REQUIRE_MFA_FOR) cannot be read"),
        ('KEYFOB_REQUIRE_MFA_FOR="admin', "line 3 (KEYFOB_REQUIRE_MFA_FOR) cannot be read"),
        ("KEYFOB_REQUIRE_MFA_FOR='admin' moderator", "line 3 (KEYFOB_REQUIRE_MFA_FOR) cannot"),
        ('KEYFOB_ISSUER="https://a\nKEYFOB_DOCS=off"', "line 3 (KEYFOB_ISSUER) cannot be read"),
        ("\u200bKEYFOB_REQUIRE_MFA_FOR=admin", "line 3 cannot be read"),
        ("KEYFOB-REQUIRE-MFA-FOR=admin", "line 3 cannot be read"),
        (f"KEYFOB_ADMIN_PASSWORD:{SECRET}", "line 3 (KEYFOB_ADMIN_PASSWORD) cannot be read"),
        (f"KEYFOB_ADMIN_PASSWORD {SECRET}", "line 3 (KEYFOB_ADMIN_PASSWORD) cannot be read"),
        ("POSTGRES_USER: keyfob", "line 3 cannot be read"),
        (f"{SECRET}: {SECRET}", "line 3 cannot be read"),
    ],
)
def test_a_line_of_dotenv_that_cannot_be_parsed_stops_the_start_and_is_named(
    refusal: Refusal, line: str, says: str
) -> None:
    write_dotenv(f"KEYFOB_PORT=9000\n\n{line}\nKEYFOB_WORKERS=2\n")

    message = refusal()

    assert message.startswith(f".env: {says}")
    assert message.endswith("should be NAME=value")
    assert SECRET not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("KEYFOB_QUUX=1", "KEYFOB_QUUX: there is no such setting"),
        ("keyfob_quux=1", "KEYFOB_QUUX: there is no such setting"),
        ("KEYFOB_REQUIRE_MFA=admin", "KEYFOB_REQUIRE_MFA: there is no such setting; did you mean"),
        ("export KEYFOB_QUUX=1", "KEYFOB_QUUX: there is no such setting"),
    ],
)
def test_a_name_of_ours_that_does_not_exist_stops_the_start_and_is_named(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch, line: str, says: str
) -> None:
    write_dotenv(f"{line}\n")
    assert refusal().startswith(says)

    write_dotenv("")
    name, _, value = line.removeprefix("export ").partition("=")
    monkeypatch.setenv(name, value)
    assert refusal().startswith(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        # A quote that was not closed, and one below that closes it.
        ("OTHER='one\nKEYFOB_WORKERS=2\nMORE='", "line 1 cannot be read"),
        ('OTHER="one\n  export keyfob_workers = 2\n"', "line 1 cannot be read"),
        ("KEYFOB_PORT=9000\nKEYFOB_PORT=", "line 2 (KEYFOB_PORT) is there twice"),
        ("KEYFOB_PORT=9000\nexport keyfob_port=9001", "line 2 (KEYFOB_PORT) is there twice"),
        ("KEYFOB_TOTP_ISSUER=Ex KEYFOB_WORKERS=2", "line 1 (KEYFOB_TOTP_ISSUER) cannot be read"),
        ("KEYFOB_TOTP_ISSUER='Ex KEYFOB_WORKERS=2'", "line 1 (KEYFOB_TOTP_ISSUER) cannot be read"),
        (
            "\nKEYFOB_REQUIRE_MFA_FOR=${ROLES}",
            "line 2 (KEYFOB_REQUIRE_MFA_FOR) asks for a ${NAME} that is not set",
        ),
        ("ROLES\nKEYFOB_REQUIRE_MFA_FOR=${ROLES}", "line 2 (KEYFOB_REQUIRE_MFA_FOR) asks for a $"),
        ("A=${B}\nKEYFOB_REQUIRE_MFA_FOR=${A}", "line 2 (KEYFOB_REQUIRE_MFA_FOR) asks for a ${"),
        (f"KEYFOB_ADMIN_PASSWORD='{SECRET}${{{SECRET}}}'", "line 1 (KEYFOB_ADMIN_PASSWORD) asks"),
    ],
)
def test_no_variable_of_dotenv_is_lost_in_silence(refusal: Refusal, text: str, says: str) -> None:
    write_dotenv(text)

    assert refusal().startswith(f".env: {says}")
    assert SECRET not in refusal()


def test_a_value_of_dotenv_may_be_made_of_others(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTNAME_OF_OURS", "login.example.com")
    write_dotenv(
        "ROLES=admin\n"
        "KEYFOB_REQUIRE_MFA_FOR=${ROLES}\n"
        "KEYFOB_ISSUER=https://${HOSTNAME_OF_OURS}/auth\n"
        "KEYFOB_TOTP_ISSUER=${TITLE:-Example}\n"
        "KEYFOB_CORS_ORIGINS=${ORIGINS:-}\n"
        "POSTGRES_DB=${NOT_OURS}\n"
        "POSTGRES_DB=twice\n"
        "RUN='env KEYFOB_PORT=9000 keyfob serve'\n"
    )

    assert refusal() == ""
    settings = load_settings()
    assert settings.require_mfa_for == ["admin"]
    assert settings.issuer == "https://login.example.com/auth"
    assert (settings.totp_issuer, settings.cors_origins) == ("Example", [])


def test_a_name_in_the_environment_is_there_once(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_WORKERS", "2")
    monkeypatch.setenv("keyfob_workers", "3")

    assert refusal() == "KEYFOB_WORKERS: is there twice, in large letters and in small"


def test_other_names_and_comments_in_dotenv_are_none_of_our_business(refusal: Refusal) -> None:
    write_dotenv(
        "# compose keeps these here: as it likes\n"
        "POSTGRES_PASSWORD='two words' # its own\n"
        "COMPOSE_PROJECT_NAME=ours\n"
        "a.b-c=1\n"
        "PASSED_ON\n"
        "\n"
        "export KEYFOB_REQUIRE_MFA_FOR = admin # by the board\n"
        "keyfob_workers=2\n"
    )

    assert refusal() == ""
    settings = load_settings()
    assert (settings.require_mfa_for, settings.workers) == (["admin"], 2)


def test_a_dotenv_written_on_windows(refusal: Refusal) -> None:
    Path(".env").write_bytes("\ufeffKEYFOB_REQUIRE_MFA_FOR=admin\r\nKEYFOB_PORT=9000\r\n".encode())

    assert refusal() == ""
    settings = load_settings()
    assert (settings.require_mfa_for, settings.port) == (["admin"], 9000)


def test_a_folder_of_that_name_is_no_dotenv(refusal: Refusal) -> None:
    Path(".env").mkdir()  # some keep a Python environment there

    assert refusal() == ""


@pytest.mark.parametrize(
    "limit", ["0/minute", "5/minute;0/day", "100000001/minute", f"{10**20}/minute"]
)
def test_a_limit_that_cannot_be_counted_stops_the_start(refusal: Refusal, limit: str) -> None:
    for name in ("limit_recover", "limit_refresh", "limit_mail"):
        assert refusal(**{name: limit}).startswith(f"{variable_of(name)}: should ")
    assert refusal(limit_recover="1/minute;100000000/day") == ""
