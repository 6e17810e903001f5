"""Strict parsing of bodies: declared as JSON, no duplicate keys, limited depth and size."""

import json
import re
from typing import Any

from starlette.requests import ClientDisconnect, Request

from keyfob.core.problems import BadRequest, InvalidInput, UnsupportedMediaType

_DEEPEST = 20
# The largest known body, that of a passkey, has about thirty.
MOST_VALUES = 200
# Also matches an unterminated string: searched for again from each quote, it would take minutes.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKET = re.compile(r"[\[{}\]]")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRequest("A key stands twice in the JSON body")
    return found


def _no_constant(name: str) -> None:
    raise BadRequest(f"{name} is no JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_constant=_no_constant)


def parse_json(body: bytes, most_values: int = MOST_VALUES) -> Any:
    """Parse UTF-8 JSON (RFC 8259); parsers that treat duplicate keys differently are a risk.

    Raises:
        BadRequest: it is not JSON, not UTF-8, too deeply nested, or has a key twice.
        InvalidInput: it has more values than any known body.
    """
    try:
        text = body.decode()
        if _most_values(text) > _DEEPEST:
            _refuse_shape(_STRING.sub("", text), most_values)
        return _decoder.decode(text)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON") from None


def _most_values(text: str) -> int:
    """Return an upper limit of the number of values: each but the first follows one of these."""
    return text.count(",") + text.count("[") + text.count("{")


def _refuse_shape(text: str, most_values: int) -> None:
    """Refuse a text, given without its strings, that is deeper or larger than any known body.

    Threat: thousands of unknown fields, of a few bytes each, give an error each, which takes a
    hundred times as much time and memory.
    """
    depth = 0
    for bracket in _BRACKET.findall(text):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            raise BadRequest("The JSON body is nested too deep")
    if _most_values(text) > most_values:
        detail = f"There are more than {most_values} values"
        raise InvalidInput([{"pointer": "/body", "detail": detail}])


def is_json(content_type: str) -> bool:
    """Tell whether a Content-Type declares JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def parse_body(body: bytes, content_type: str, most_values: int = MOST_VALUES) -> Any:
    """Parse a body; None if it is empty.

    Raises:
        UnsupportedMediaType: the body is not declared as JSON.
        BadRequest: the body cannot be parsed.
    """
    if not body:
        return None
    if content_type != "application/json" and not is_json(content_type):
        raise UnsupportedMediaType
    return parse_json(body, most_values)


async def read_json(request: Request, most_values: int = MOST_VALUES) -> Any:
    """Read the body of a request as `parse_body` does.

    Raises:
        BadRequest: also if the client disconnected before the body was complete.
    """
    try:
        body = await request.body()
    except ClientDisconnect:
        raise BadRequest("The body did not arrive whole") from None
    return parse_body(body, request.headers.get("content-type", ""), most_values)
