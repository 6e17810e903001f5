"""Requests that a client may send to block the event loop: hostile values for all that is read.

Whatever matches, splits or normalises input does so in the loop, and an expression with quadratic
time takes seconds over 32 KiB. So every operation of the OpenAPI document is sent each shape in
each header, parameter and field. A new operation or field is tried automatically; a new header must
be added to `READ`.
"""

import json
import unicodedata
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

Json = dict[str, Any]

# As much of one header, and of a body, as the bounds of 32 and 64 KiB leave room for.
HEAD = 31 * 1024
BODY = 63 * 1024
_OF_THE_REST = 1000

# The headers that our routes, the framework and the server in front of it read.
READ = (
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "content-encoding",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "origin",
    "range",
    "referer",
    "sec-fetch-site",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
)


class Shape(NamedTuple):
    """A piece over and over, between a beginning and an end."""

    piece: str
    begin: str = ""
    end: str = ""

    def text(self, most: int) -> str:
        """Write it in at most so many characters."""
        room = max(0, most - len(self.begin) - len(self.end))
        middle = self.piece * (room // len(self.piece) + 1)
        return (self.begin + middle[:room] + self.end)[:most]


def _marks_out_of_order() -> str:
    """Combining marks as canonical ordering has to move them the farthest (UAX #15)."""
    one_of_each = {unicodedata.combining(chr(point)): chr(point) for point in range(0x300, 0x1E950)}
    return "".join(mark * 75 for order, mark in sorted(one_of_each.items(), reverse=True) if order)


IN_HEADERS = {
    "spaces": Shape(" ", "a", "a"),
    "spaces in a coding": Shape(" ", ",gzip", "x"),
    "spaces in a weight": Shape(" ", "gzip;", "q"),
    "tabs": Shape("\t", ",gzip", "x"),
    "commas": Shape(","),
    "semicolons": Shape(";"),
    "dots": Shape("."),
    "ats": Shape("@"),
    "quotes": Shape('"'),
    "backslashes": Shape("\\", 'a="', '"'),
    "escaped quotes": Shape('\\"', 'a="', '"'),
    "octal escapes": Shape("\\101", 'a="', '"'),
    "percents": Shape("%41"),
    "digits": Shape("1", end="x"),
    "zeros": Shape("0", "gzip;q=0.", "x"),
    "letters": Shape("a"),
    "words": Shape("a.b-c "),
    "pairs": Shape("a=b; "),
    "a list": Shape("a, "),
    "weights": Shape("gzip;q=0, "),
    "subtags": Shape("-aaaaaaaa", "a", "!"),
    "ranges": Shape("0-0,", "bytes="),
    "tags": Shape('W/"a", '),
    "brackets": Shape("[("),
    "nearly a token": Shape("eyJ-"),
    "nearly an address": Shape("a@b."),
    "IPv4 addresses": Shape("127.0.0.1,"),
    "IPv6 addresses": Shape("[::ffff:127.0.0.1]:1, "),
    "a browser": Shape("Rr", "Mozilla/5.0 (Linux; Android "),
    "a crawler": Shape("Spider-", "Mozilla/5.0 (compatible; "),
}
# Beside them what is met in bodies, queries and paths alone: a header is Latin-1.
IN_TEXTS = {
    **IN_HEADERS,
    "long when decomposed": Shape("\ufdfa"),
    "labels": Shape("xn--a.", "a@", "de"),
    "ideographs": Shape("\u4e2d\u3002", "a@", "de"),
    "letters beyond": Shape("\u00e9.", "a@", "de"),
    "digits beyond": Shape("\u0661", "a@", "de"),
    "jamo": Shape("\u1100\u1161"),
    "marks in pairs": Shape("\u0315\u0300", "a"),
    "marks that hide": Shape("\u0f73", "a"),
    "marks out of order": Shape(_marks_out_of_order(), "a"),
}
AS_BODIES = {
    "unknown fields": json.dumps({f"{number:x}": 0 for number in range(6000)}).encode(),
    "brackets": b"[" * BODY,
    "objects": b'{"":' * (BODY // 4),
    "a flat array": b"[" + b"0," * (BODY // 2 - 2) + b"0]",
    "arrays side by side": b"[" + b"[[[]]]," * (BODY // 7 - 1) + b"0]",
    "a string that never ends": b'{"' + b'\\"' * (BODY // 2 - 1),
    "digits": b"1" * BODY,
    "a fraction": b"0." + b"1" * (BODY - 2),
    "an exponent": b"1e" + b"9" * (BODY - 2),
    "no UTF-8": b"\xc0" * BODY,
    "half surrogates": b'"' + b"\\ud800" * (BODY // 6 - 1) + b'"',
    "NaN": b"[" + b"NaN," * (BODY // 4 - 1) + b"0]",
}
_FORM = "application/x-www-form-urlencoded"
_SOMEBODY = "01890000-0000-7000-8000-000000000000"
_EXAMPLES = {"email": "ada@example.com", "uuid": _SOMEBODY}


@dataclass(frozen=True)
class Hostile:
    """One request; `what` says what is hostile in it."""

    what: str
    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Each method, path and operation of an OpenAPI document; paths with an id that nobody has.

    Without streams: whoever may read one reads without end.
    """
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
                continue
            yield method.upper(), path.replace("{id}", _SOMEBODY), operation


def pages() -> Iterator[tuple[str, str, Json]]:
    """Pages and files; the latter support ranges and conditions (RFC 9110 sections 13, 14)."""
    for path in ("/docs", "/docs/swagger-ui.css", "/openapi.json", "/ui/recover", "/ui/page.js"):
        yield "GET", path, {}


def in_headers(method: str, path: str) -> Iterator[Hostile]:
    """Each header in each shape."""
    for header in READ:
        scheme = "Bearer " if header == "authorization" else ""
        for name, shape in IN_HEADERS.items():
            text = scheme + shape.text(HEAD - len(scheme))
            yield Hostile(f"{header}: {name}", method, path, headers={header: text})


def in_address(method: str, path: str, operation: Json) -> Iterator[Hostile]:
    """Each parameter of the query in each shape, queries of separators, and longer paths."""
    names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    for kind, shape in IN_TEXTS.items():
        text = _quoted(shape)
        yield Hostile(f"the path: {kind}", method, f"{path}/{text}")
        for name in names:
            yield Hostile(f"?{name}: {kind}", method, path, f"{name}={text}")
    for piece in ("&", "a&", "a=&", "=", ";", "+", "%", "%41&", *(f"{name}=1&" for name in names)):
        yield Hostile(f"the query: {piece}", method, path, Shape(piece).text(HEAD))


def in_body(
    method: str, path: str, operation: Json, document: Json, *, beyond: bool = True
) -> Iterator[Hostile]:
    """Each field in each shape, as long as it may be and, `beyond` that, as a body may be; and
    bodies that are none of ours."""
    if "requestBody" not in operation:
        return
    content = operation["requestBody"]["content"]
    if _FORM in content:
        yield from _in_form(method, path, content[_FORM]["schema"])
        return
    schema = content["application/json"]["schema"]
    for leaf, most in _texts(schema, document):
        for name, shape in IN_TEXTS.items():
            for length in {most or BODY, BODY if beyond else most or BODY}:
                text = shape.text(length).encode()[: BODY - _OF_THE_REST].decode(errors="ignore")
                body = json.dumps(_example(schema, document, leaf, text), ensure_ascii=False)
                what = f"{'.'.join(leaf)}: {name}, {length}"
                yield Hostile(what, method, path, body=body.encode()[:BODY])
    for name, content in AS_BODIES.items():
        yield Hostile(f"the body: {name}", method, path, body=content)


def _in_form(method: str, path: str, schema: Json) -> Iterator[Hostile]:
    """Each field of a form in each shape, forms of separators, and what says who a client is."""
    form = {"content-type": _FORM}
    for name, (kind, shape) in product(schema["properties"], IN_TEXTS.items()):
        body = f"{name}={quote_plus(shape.text(BODY))}".encode()[:BODY]
        yield Hostile(f"{name}: {kind}", method, path, headers=form, body=body)
    for piece in ("&", "a&", "a=&", "=", ";", "+", "%", "%41&", "resource=1&", "\xff"):
        body = Shape(piece).text(BODY).encode("latin-1")
        yield Hostile(f"the form: {piece!r}", method, path, headers=form, body=body)
        basic = "Basic " + b64encode(body[: HEAD // 2]).decode("ascii")
        basics = {**form, "authorization": basic}
        yield Hostile(f"Basic: {piece!r}", method, path, headers=basics, body=b"a=b")


def _quoted(shape: Shape) -> str:
    """Write a shape for a URL, as long as one may be."""
    whole = shape.text(HEAD)
    grows = max(1.0, len(quote(whole)) / len(whole))
    return quote(shape.text(int((HEAD - _OF_THE_REST) / grows)))


def _resolved(schema: Json, document: Json) -> Json:
    """Follow a reference, and take the first of several schemas."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _texts(
    schema: Json, document: Json, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], int | None]]:
    """Yield where texts stand in a body, and how long each may be."""
    schema = _resolved(schema, document)
    if schema.get("type") == "string":
        yield above, schema.get("maxLength")
    for name, part in schema.get("properties", {}).items():
        yield from _texts(part, document, (*above, name))


def _example(schema: Json, document: Json, leaf: tuple[str, ...] = (), text: str = "") -> Any:
    """Write the least that fits a schema; where a leaf is named, with a text there."""
    schema = _resolved(schema, document)
    if "properties" in schema:
        wanted = {*schema.get("required", ()), *leaf[:1]}
        for name in leaf[:1]:
            wanted |= {*schema.get("dependentRequired", {}).get(name, ())}
        return {
            name: _example(schema["properties"][name], document, leaf[1:], text)
            if leaf[:1] == (name,)
            else _example(schema["properties"][name], document)
            for name in sorted(wanted)
        }
    if text:
        return text
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    return _EXAMPLES.get(schema.get("format", ""), "correct horse battery")
