"""Logs: one line per event, without secrets."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from tests.fixtures.hostile import encode
from tests.fixtures.world import PASSWORD

from keyfob.core.telemetry import configure_logging, mask_email, redact, set_request_id

JWT = ".".join(encode(part) for part in ({"alg": "EdDSA"}, {"sub": "ada"}, b"x" * 64))
REFRESH = "kfr_" + "Ab-_" * 24


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)
    set_request_id("")


@pytest.mark.parametrize(
    ("email", "masked"),
    [
        ("ada@example.com", "a***@example.com"),
        ("a@b", "a***@b"),
        ("@example.com", "***"),
        ("no address", "***"),
        ("", "***"),
        ("a@b@example.com", "a***@example.com"),
    ],
)
def test_an_address_keeps_its_first_letter_and_its_domain(email: str, masked: str) -> None:
    assert mask_email(email) == masked


def test_what_hides_in_a_text_is_blanked_out() -> None:
    event = {
        "event": f"refused {JWT} for ada.lovelace+x@mail.example.com",
        "path": f"/logout?x={REFRESH}",
        "seen": f"Bearer {JWT}",
        "encoded": f"#token=3D{REFRESH}",
        "double": "/users/ada%2540example.com/%252540eve%2525252540example.org",
        "count": 3,
    }

    redact(None, "info", event)

    assert event == {
        "event": "refused [redacted] for a***@mail.example.com",
        "path": "/logout?x=[redacted]",
        "seen": "Bearer [redacted]",
        "encoded": "#token=3D[redacted]",
        "double": "/users/a***@example.com/%***@example.org",
        "count": 3,
    }


@pytest.mark.parametrize(
    "name",
    ["password", "new_passwd", "token", "Refresh-Token", "client_secret", "set-cookie",
     "Authorization", "code"],
)  # fmt: skip
def test_what_is_named_a_secret_is_blanked_out_whatever_it_is(name: str) -> None:
    event: dict[str, object] = {name: ["anything", 1]}

    redact(None, "info", event)

    assert event == {name: "[redacted]"}


def test_words_that_only_look_alike_stay() -> None:
    event = {
        "reason": "wrong_password",
        "status_code": 200,
        "user": "01a20320-a200-77c7",
        "k": "kfr_",
    }

    assert redact(None, "info", dict(event)) == event


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.usefixtures("restored_logging")
def test_no_value_starts_a_line_of_its_own(capsys: pytest.CaptureFixture[str], style: str) -> None:
    configure_logging("info", style)
    hostile = 'x\r\n{"event": "forged"}\x1b[2J\u2028y'

    structlog.get_logger("keyfob.test").info("request", agent=hostile)
    logging.getLogger("elsewhere").warning("said %s", hostile)

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("\x1b[2J" not in line for line in lines)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("output", "no_color", "colored"),
    [(Screen, "", True), (Screen, "1", False), (io.StringIO, "", False)],
)
@pytest.mark.usefixtures("restored_logging")
def test_only_who_sees_and_wants_colours_gets_them(
    monkeypatch: pytest.MonkeyPatch, output: type[io.StringIO], no_color: str, colored: bool
) -> None:
    written = output()
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setenv("NO_COLOR", no_color)
    configure_logging("info", "console")

    structlog.get_logger("keyfob.test").warning("said", name="Ada")

    assert ("\x1b[" in written.getvalue()) is colored
    assert "Ada" in written.getvalue()


@pytest.mark.usefixtures("restored_logging")
def test_a_line_tells_its_request_and_no_secret_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    set_request_id("a-request-id")

    structlog.get_logger("keyfob.test").info(
        "refused", token=REFRESH, said=JWT, who="ada@x.example"
    )
    structlog.get_logger("keyfob.test").debug("not at this level")
    logging.getLogger("elsewhere").error("a library says %s", REFRESH)

    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert ours["request_id"] == theirs["request_id"] == "a-request-id"
    assert (ours["level"], theirs["level"]) == ("info", "error")
    assert (ours["token"], ours["said"]) == ("[redacted]", "[redacted]")
    assert ours["who"] == "a***@x.example"
    assert theirs["event"] == "a library says [redacted]"


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.usefixtures("restored_logging")
def test_a_traceback_shows_no_secret_of_its_frames(
    capsys: pytest.CaptureFixture[str], style: str
) -> None:
    configure_logging("info", style)

    try:
        fail_with(PASSWORD)
    except RuntimeError:
        structlog.get_logger("keyfob.test").exception("unexpected_error")

    written = capsys.readouterr().err
    assert "RuntimeError" in written
    assert REFRESH not in written
    assert PASSWORD not in written


def test_a_failed_test_shows_plain_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    """With local variables, that of a page would take minutes."""
    try:
        fail_with(PASSWORD)
    except RuntimeError:
        structlog.get_logger("keyfob.test").exception("unexpected_error")

    written = capsys.readouterr().out
    assert "RuntimeError" in written
    assert PASSWORD not in written


def fail_with(password: str) -> None:
    raise RuntimeError(f"failed with {REFRESH}, and a local of {len(password)}")
