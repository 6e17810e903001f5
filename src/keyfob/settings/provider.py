"""The settings of the provider for apps."""

from pydantic import BaseModel, Field


class ProviderSettings(BaseModel):
    """Apps by which people sign in."""

    require_par: bool = Field(
        False,
        description="Every app has to push its requests (RFC 9126), and not only those that are"
        " registered with `require_par`",
    )
