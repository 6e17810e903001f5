"""Patterns that read what anybody sends take linear time; quadratic ones took minutes here."""

import pytest

from keyfob.core.http.strict import parse_json
from keyfob.core.problems import BadRequest
from keyfob.core.telemetry import redact

_MANY = 250_000


def test_a_string_that_never_ends_is_read_once() -> None:
    with pytest.raises(BadRequest):
        parse_json(b"[" * 21 + b'"' + b'\\"' * _MANY)


@pytest.mark.parametrize("piece", ["-eyJ", "a.", "kfa_", "a@b.", "eyJ.", "%25", "a%40", "%2540b"])
def test_the_last_filter_of_the_log_reads_a_line_once(piece: str) -> None:
    event = redact(None, "info", {"event": "request", "path": piece * _MANY})

    assert event["event"] == "request"
