"""The source of a request, as services know it: without HTTP."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A client: its address (None where there is no IP, as on a unix socket), what it says it is.

    `languages` as its Accept-Language has them.
    """

    address: str | None
    user_agent: str
    languages: str = ""
