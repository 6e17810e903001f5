"""Static files, read once; those of pages are named by the hash of their contents."""

import hashlib
import re
from functools import cached_property
from mimetypes import guess_type
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from keyfob.core.http.kept import Kept
from keyfob.core.problems import NotFound

_FOR_AN_HOUR = "public, max-age=3600"
_FOR_EVER = "public, max-age=31536000, immutable"
_MEDIA_TYPES = {".woff2": "font/woff2", ".js": "text/javascript", ".svg": "image/svg+xml"}

# A stylesheet names its fonts, and a module the modules that it imports.
_NAMED = re.compile(r"""(?<=["'(/])[a-z][a-z0-9-]*\.(?:woff2|svg|js|css)(?=["')])""")


def add_asset(routes: APIRouter, path: str, file: Path) -> None:
    """Serve a static file under a path."""
    kept = Kept(file.read_bytes, _media_type(file.name), _FOR_AN_HOUR)
    routes.add_api_route(path, kept.answer, methods=["GET"])


def add_text(routes: APIRouter, path: str, content: bytes, media_type: str) -> None:
    """Serve bytes that are no file under a path."""
    kept = Kept(lambda: content, media_type, _FOR_AN_HOUR)
    routes.add_api_route(path, kept.answer, methods=["GET"])


class Assets:
    """The static files of pages, each under a name that changes with its contents."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}
        self._kept: dict[str, Kept] = {}

    def name_of(self, file: str) -> str:
        """Return the public name of a file, such as `keyfob.1f2e3d4c5b6a.css`."""
        if file not in self._names:
            content = self._read(file)
            stem, _, ending = file.rpartition(".")
            self._names[file] = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{ending}"
            self._contents[self._names[file]] = content
        return self._names[file]

    async def answer(self, request: Request) -> Response:
        """Answer a GET for the file whose public name is the end of the path.

        Raises:
            NotFound: there is none of that name, or it has other contents by now.
        """
        name = request.path_params["name"]
        if name not in self._all:
            raise NotFound
        content = self._contents[name]
        kept = self._kept.setdefault(name, Kept(lambda: content, _media_type(name), _FOR_EVER))
        return await kept.answer(request)

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self.name_of(path.name) for path in self._folder.iterdir())

    def _read(self, file: str) -> bytes:
        content = (self._folder / file).read_bytes()
        if not file.endswith((".css", ".js")):
            return content

        def named(found: re.Match[str]) -> str:
            other = found[0]
            is_ours = other != file and (self._folder / other).is_file()
            return self.name_of(other) if is_ours else other

        return _NAMED.sub(named, content.decode()).encode()


def _media_type(name: str) -> str:
    ending = Path(name).suffix
    return _MEDIA_TYPES.get(ending) or guess_type(name)[0] or "application/octet-stream"
