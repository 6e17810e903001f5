"""Static files, read once."""

from mimetypes import guess_type
from pathlib import Path

from fastapi import APIRouter

from keyfob.core.http.kept import Kept


def add_asset(routes: APIRouter, path: str, file: Path) -> None:
    """Serve a static file under a path."""
    media_type = guess_type(file)[0] or "application/octet-stream"
    kept = Kept(file.read_bytes, media_type, "public, max-age=3600")
    routes.add_api_route(path, kept.answer, methods=["GET"])
