"""QR codes as pictures."""

import asyncio
from functools import partial
from io import BytesIO

import segno


async def draw_qr(uri: str) -> str:
    """Return a QR code of a URI: an SVG document under 24 KB that loads nothing.

    It takes 6 to 8 ms of a core, in a thread: everybody else would wait for the event loop.
    """
    return await asyncio.to_thread(_draw, uri)


def _draw(uri: str) -> str:
    document = BytesIO()
    write = partial(segno.make(uri, error="l", micro=False).save, document, kind="svg")
    write(xmldecl=False, nl=False, scale=4, title="QR code")
    return document.getvalue().decode()
