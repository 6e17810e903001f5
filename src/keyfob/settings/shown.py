"""The settings as a console shows them: no secret is in them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from keyfob.settings.loading import Settings, secret_fields, variable_of


class ShownSetting(NamedTuple):
    """A setting: its variable, its value and its default as the variable would be written.

    `value` and `default` are None if they are not set; those of a secret always. `is_set`: whether
    the value is not the default.
    """

    name: str
    variable: str
    value: str | None
    default: str | None
    is_secret: bool
    is_set: bool


def shown_settings(settings: Settings) -> list[ShownSetting]:
    """Return every setting, by its name."""
    secret = frozenset(secret_fields())
    shown = []
    for name, field in sorted(Settings.model_fields.items()):
        value, default = getattr(settings, name), field.get_default(call_default_factory=True)
        hidden = name in secret
        shown.append(
            ShownSetting(
                name,
                variable_of(name),
                None if hidden else _written(value),
                None if hidden else _written(default),
                hidden,
                value != default,
            )
        )
    return shown


def _written(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)
