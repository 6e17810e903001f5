"""Handing the server a whole answer, where it can take one: an ASGI extension of our own.

`scope["extensions"][WHOLE]["answer"]` is then a function that takes the head's lines after those of
the server, each with its line break, and the body; status 200 and `Content-Length` are the caller's
promise. It returns False where the answer has to go the usual way.
"""

from collections.abc import Callable, Iterable

from starlette.types import Scope

WHOLE = "keyfob.whole"

AnswerWhole = Callable[[bytes, bytes], bool]


def whole_answer(scope: Scope) -> AnswerWhole | None:
    """Return the server's function, or None where it has none."""
    extensions = scope.get("extensions")
    found: AnswerWhole | None = None
    if extensions and WHOLE in extensions:
        found = extensions[WHOLE]["answer"]
    return found


def head_template(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write headers as lines in which `%d` is the body's length and `%s` the request id."""
    lines = b"".join(b"%s: %s\r\n" % header for header in headers).replace(b"%", b"%%")
    return b"content-length: %d\r\nx-request-id: %s\r\n" + lines
