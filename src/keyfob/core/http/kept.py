"""Responses that are the same for everybody: made once, kept, and sent without further work."""

import asyncio
import gzip
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# In bytes. A slow reader occupies one such piece of a long response at a time, and the server's
# time-out applies to each.
_PIECE = 64 * 1024


class _Forms(NamedTuple):
    plain: bytes
    zipped: bytes
    etag: str


class Kept:
    """One public response, with headers that let browsers keep it too (RFC 9110 section 8.8).

    Threat: a client needs no token and meets no limit here, so it may ask endlessly, and all work
    for a response is taken from others.

    Args:
        make: returns the bytes; called in a thread, at the first request.
        media_type: the type of the bytes.
        cache_control: how long a browser may use its copy without asking.
    """

    def __init__(self, make: Callable[[], bytes], media_type: str, cache_control: str) -> None:
        self._make = make
        self._media_type = media_type
        self._cache_control = cache_control
        self._making = asyncio.Lock()
        self._forms: _Forms | None = None

    async def answer(self, request: Request) -> Response:
        """Answer a GET: 304 if the client has it already, compressed if the client accepts that."""
        forms = await self._made()
        headers = {
            "Cache-Control": self._cache_control,
            "ETag": forms.etag,
            "Vary": "Accept-Encoding",
        }
        if names_tag(request.headers.get("if-none-match", ""), forms.etag):
            return Response(status_code=304, headers=headers)
        if takes_gzip(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"] = "gzip"
            return _InPieces(forms.zipped, headers=headers, media_type=self._media_type)
        return _InPieces(forms.plain, headers=headers, media_type=self._media_type)

    async def _made(self) -> _Forms:
        async with self._making:
            if self._forms is None:
                self._forms = await asyncio.to_thread(self._make_forms)
        return self._forms

    def _make_forms(self) -> _Forms:
        plain = self._make()
        # Weak, because it identifies both forms.
        etag = f'W/"{sha256(plain).hexdigest()[:32]}"'
        return _Forms(plain, gzip.compress(plain, mtime=0), etag)


class _InPieces(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        body = bytes(self.body)
        for at in range(0, len(body), _PIECE):
            piece = body[at : at + _PIECE]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def names_tag(if_none_match: str, etag: str) -> bool:
    """Tell whether a list of entity tags contains ours (RFC 9110 section 13.1.2).

    Weak and strong ones are compared alike, as that section asks.
    """
    given = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return not given.isdisjoint({"*", etag.removeprefix("W/")})


def takes_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding header accepts gzip (RFC 9110 section 12.5.3)."""
    for coding in accepted.lower().split(","):
        name, has_weight, weight = coding.partition(";")
        if name.strip() == "gzip":
            # Not with a weight of zero, nor with one that cannot be read.
            return not has_weight or bool(weight.partition("q=")[2].strip(" \t0."))
    return False
