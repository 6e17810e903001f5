"""One event is one line, and says when, how grave, and of which request."""

import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog
from tests.fixtures.logs import Log, captured_log
from tests.fixtures.world import World

from keyfob.accounts.profiles import Profiles
from keyfob.core.telemetry import mask_email, redact, set_request_id, show_controls


@pytest.fixture
def log() -> Iterator[Log]:
    with captured_log("info") as log:
        yield log


async def test_a_request_is_one_line_with_its_id(log: Log, world: World) -> None:
    answer = await world.api.get("/nothing")

    (line,) = log.named("request")
    assert line == {
        "event": "request",
        "level": "info",
        "timestamp": line["timestamp"],
        "request_id": answer.headers["x-request-id"],
        "method": "GET",
        "path": "/nothing",
        "status": 404,
        "milliseconds": line["milliseconds"],
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])


async def test_every_line_about_a_request_has_its_id(log: Log, world: World) -> None:
    refused = await world.api.get("/me", headers={"Authorization": "Bearer x.y.z"})
    replayed = await world.refresh("kfr_nonsense")

    ids = {line["event"]: line["request_id"] for line in log.events if "request_id" in line}
    assert ids["access_token_refused"] == refused.headers["x-request-id"]
    assert ids["refresh_refused"] == replayed.headers["x-request-id"]


async def test_every_line_has_a_level_and_a_time(log: Log, world: World) -> None:
    await world.api.get("/nothing")
    await world.refresh("kfr_nonsense")
    logging.getLogger("some.package").warning("with %s\nand a break", "an argument")
    structlog.get_logger("ours").error("bad", text="a\nb")

    assert len(log.events) >= 4
    for line in log.events:
        assert {"event", "level", "timestamp"} <= set(line)
    assert {line["level"] for line in log.events} == {"info", "warning", "error"}


async def test_successes_of_the_hot_routes_are_not_logged_and_their_refusals_are(
    log: Log, world: World
) -> None:
    await world.make_user()
    user = await world.log_in()
    await world.me(user)
    await world.refresh(user.refresh)
    await world.api.get("/health/live")
    await world.api.get("/me")

    assert [(line["path"], line["status"]) for line in log.named("request")] == [
        ("/login", 200),
        ("/me", 401),
    ]


async def test_a_fault_is_one_line_with_its_traceback(
    log: Log, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.make_user()
    user = await world.log_in()

    async def fail(*_: object) -> None:
        raise RuntimeError("a fault\nof two lines")

    monkeypatch.setattr(Profiles, "body_of", fail)
    monkeypatch.setattr("keyfob.sessions.queries.list_live_sessions", fail)
    answers = [
        await world.me(user),
        await world.api.get("/me/sessions", headers=user.headers),
    ]

    lines = log.named("unexpected_error")
    assert [line["request_id"] for line in lines] == [
        answer.headers["x-request-id"] for answer in answers
    ]
    for line in lines:
        assert line["level"] == "error"
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith("RuntimeError: a fault\nof two lines")


@pytest.mark.parametrize("level", ["warning", "error"])
async def test_a_higher_level_says_less(world: World, level: str) -> None:
    with captured_log(level) as log:
        await world.api.get("/nothing")
        structlog.get_logger("ours").log(getattr(logging, level.upper()), "still_said")

    assert [line["event"] for line in log.events] == ["still_said"]


def test_the_console_form_is_one_line_too() -> None:
    with captured_log("info", "console") as log:
        structlog.get_logger("ours").info("said", text="a\nb\x1b[2Kc\u2028d", name="Ядвига")
        logging.getLogger("theirs").error("one\ntwo %s", "three\r")

    assert len(log.lines) == 2
    assert "a\\nb\\x1b[2Kc\\u2028d" in log.lines[0]
    assert "Ядвига" in log.lines[0]
    assert "one\\ntwo three\\r" in log.lines[1]


TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJodHRwIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"password": "x"}, {"password": "[redacted]"}),
        ({"new_password": 1, "Cookie": []}, {"new_password": "[redacted]", "Cookie": "[redacted]"}),
        ({"refresh_token": "x", "client_secret": "y"}, {"refresh_token": "[redacted]",
                                                        "client_secret": "[redacted]"}),
        ({"Authorization": "x", "code": 7}, {"Authorization": "[redacted]", "code": "[redacted]"}),
        ({"event": f"saw {TOKEN} there"}, {"event": "saw [redacted] there"}),
        ({"cause": f"Bearer {TOKEN[:-1]}"}, {"cause": "Bearer [redacted]"}),
        ({"cause": "kfr_AV2lZabcdefgh-ij_k"}, {"cause": "[redacted]"}),
        ({"cause": "(ada.lovelace@example.co.uk)"}, {"cause": "(a***@example.co.uk)"}),
        ({"status": 200, "path": "/me", "status_code": 1}, {"status": 200, "path": "/me",
                                                            "status_code": 1}),
        ({"reason": "wrong_password"}, {"reason": "wrong_password"}),
    ],
)  # fmt: skip
def test_the_last_net_holds_what_must_not_rest_in_a_log(given: object, kept: object) -> None:
    assert redact(None, "", json.loads(json.dumps(given))) == kept


def test_controls_are_shown_and_text_is_left() -> None:
    event = {"a": "x\ty", "b": "naïve", "c": 3, "exception": "two\nlines"}

    assert show_controls(None, "", event) == {**event, "a": "x\\ty"}


def test_a_line_outside_a_request_has_no_id(log: Log) -> None:
    set_request_id("")
    structlog.get_logger("ours").info("alone")

    assert "request_id" not in log.events[0]


@pytest.mark.parametrize(
    ("email", "masked"),
    [("ada@example.com", "a***@example.com"), ("no address", "***"), ("@x", "***"), ("", "***")],
)
def test_a_masked_address_is_enough_to_recognise(email: str, masked: str) -> None:
    assert mask_email(email) == masked


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/" + "a" * 30_000, "/" + "a" * 255), ("/" + "%01" * 512, "/" + "\x01" * 39)],
    ids=["plain", "written as six bytes each"],
)
async def test_of_a_long_path_the_beginning_is_logged(
    log: Log, world: World, path: str, shown: str
) -> None:
    await world.api.get(path)

    (line,) = log.named("request")
    assert line["path"] == shown
    assert len(json.dumps(line)) < 600
