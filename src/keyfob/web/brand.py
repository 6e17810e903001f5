"""The name and the looks of a deployment, as pages show them."""

from pathlib import Path

from keyfob.settings import Settings
from keyfob.settings.brand import palette_of
from keyfob.web.engine import Brand


def brand_of(settings: Settings, root: str) -> Brand:
    """Return the brand of a deployment; `root` is the public path before `/ui`."""
    logo: Path | None = settings.brand_logo
    accent = settings.brand_accent
    return Brand(
        name=settings.brand_name or "Keyfob",
        logo=f"{root}/ui/static/logo.svg" if logo else None,
        logo_file=logo,
        accent=accent,
        stylesheet=palette_of(accent).stylesheet if accent else "",
    )
