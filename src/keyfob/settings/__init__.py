"""Settings: `KEYFOB_*` variables and `.env`; every secret can also come from a `*_FILE`.

A wrong or unknown variable stops the start; the message names it and the expected value.
"""

from keyfob.settings.loading import Settings, load_settings, secret_fields, variable_of
from keyfob.settings.rates import LimitSettings
from keyfob.settings.sections import MIN_KEY_LENGTH, PasswordSettings
from keyfob.settings.variables import PREFIX, WrongSetting

__all__ = [
    "MIN_KEY_LENGTH",
    "PREFIX",
    "LimitSettings",
    "PasswordSettings",
    "Settings",
    "WrongSetting",
    "load_settings",
    "secret_fields",
    "variable_of",
]
