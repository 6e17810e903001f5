"""Headers in which proxies name the hop before them, nearest first; the client's text comes last.

Each reader takes time proportional to the length of the header, whatever it contains.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

# More than any chain of proxies. Threat: a client writes thousands, each of which is read.
_MOST_HOPS = 32
_LONGEST = 4096

# One element of `Forwarded` (RFC 7239 section 4), read backwards: commas in quotes do not separate.
_ELEMENT = re.compile(r'(?:[^",]|"[^"]*")*')
_PAIR = re.compile(r'([A-Za-z-]+)=("[^"\\]*"|[^";\s]*)\Z')

Headers = Sequence[tuple[bytes, bytes]]

_NAME_CLIENTS = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip"})
_SIGNS = _NAME_CLIENTS | {b"via", b"x-forwarded-host", b"x-forwarded-proto"}


def was_forwarded(headers: Headers) -> bool:
    """Tell whether a request has a header that proxies add, though anybody can write one."""
    return any(name in _SIGNS for name, _ in headers)


def naming(headers: Headers) -> set[str]:
    """Return the names of the present headers that name clients."""
    return {name.decode() for name, _ in headers if name in _NAME_CLIENTS}


def hops_of(header: str, headers: Headers) -> Iterator[str]:
    """Yield the addresses that proxies wrote into a header, nearest first, at most 32.

    Each is returned as written and may be invalid. The first unreadable one ends them.
    """
    name = header.encode()
    lines = [value.decode("latin-1") for given, value in headers if given == name]
    return islice(_READERS[header](lines), _MOST_HOPS)


def _x_forwarded_for(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from reversed(",".join(lines).rsplit(",", _MOST_HOPS))


def _x_real_ip(lines: Sequence[str]) -> Iterator[str]:
    if len(lines) == 1:  # if there are two, one may be the client's
        yield lines[0]


def _forwarded(lines: Sequence[str]) -> Iterator[str]:
    text = ",".join(lines)
    backwards = text[: -_LONGEST - 1 : -1]
    start = 0
    while found := _ELEMENT.match(backwards, start):
        start = found.end() + 1
        if backwards[found.end() : start] not in {"", ","}:  # a quote that is not closed
            return
        if start > _LONGEST:  # the rest of it was not read
            return
        yield _node_of(found[0][::-1])
        if start > len(backwards):
            return


def _node_of(element: str) -> str:
    """Return the value of `for=` in an element; "" if it is not certain."""
    nodes = []
    for pair in _divide(element):
        found = _PAIR.match(pair.strip())
        if found is None:
            return ""
        if found[1].lower() == "for":
            nodes.append(found[2])
    return nodes[0] if len(nodes) == 1 else ""


def _divide(element: str) -> Iterator[str]:
    """Split an element at its semicolons, except those in quotes."""
    pair = ""
    for number, piece in enumerate(element.split('"')):
        if number % 2:
            pair += f'"{piece}"'
            continue
        *whole, rest = piece.split(";")
        for one in whole:
            yield pair + one
            pair = ""
        pair += rest
    yield pair


_READERS = {
    "x-forwarded-for": _x_forwarded_for,
    "forwarded": _forwarded,
    "x-real-ip": _x_real_ip,
}
