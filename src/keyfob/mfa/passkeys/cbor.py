"""A check of CBOR (RFC 8949) before it is parsed: only what CTAP2 writes is accepted."""

_TAG = 6
_BYTES_AND_TEXT = (2, 3)
_LONGEST_ARGUMENT = 27  # greater values are reserved, or mean an indefinite length
_MOST_ITEMS = 256


class NotPlain(ValueError):
    """The data is not CBOR as authenticators write it."""


def ensure_plain(data: bytes) -> None:
    """Check that the data has few items, each of a stated length, and no tags.

    Threat: the parser obeys tags. One compiles a regular expression, one parses a mail, one
    computes any power of ten: a passkey of 12 KB blocked the interpreter for fifteen seconds. CTAP2
    (section 8) allows no tags. Only the heads of items are read here, one after the other; whether
    the items fit together is checked by the parser.

    Raises:
        NotPlain: it has any of these.
    """
    at = items = 0
    while at < len(data):
        kind, told = divmod(data[at], 32)
        if kind == _TAG or told > _LONGEST_ARGUMENT or items == _MOST_ITEMS:
            raise NotPlain("it has tags, lengths that are not told, or too many items")
        size = 1 << (told - 24) if told >= 24 else 0
        argument = int.from_bytes(data[at + 1 : at + 1 + size]) if size else told
        at += 1 + size + (argument if kind in _BYTES_AND_TEXT else 0)
        items += 1
