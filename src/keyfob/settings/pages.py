"""The settings of pages for browsers."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

from keyfob.settings.urls import read_origin


def _origins(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return [read_origin(part.strip()) for part in value.split(",") if part.strip()]


class PageSettings(BaseModel):
    """Our own pages, and where they may lead."""

    pages: bool = Field(
        True,
        description="Serve pages for signing in, for one's own account, and the console. Off: only"
        " the pages of links in mails, without cookies; for a host that is shared with other apps",
    )
    page_templates: Path | None = Field(
        None, description="Folder whose templates of pages replace ours, file by file"
    )
    return_to_origins: Annotated[list[str], NoDecode, BeforeValidator(_origins)] = Field(
        default_factory=list,
        description="Origins to which pages may return after a sign-in (return_to), with commas",
    )
