"""Text that people type; no field may contain control characters."""

import re
import unicodedata
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

# C0, DEL and C1; line breaks; marks that change the direction of the following text, and so
# disguise it. Joiners are allowed, which Persian and Hindi need, and so are all kinds of spaces.
CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"
_REFUSED = re.compile(rf"[{CONTROLS}\ud800-\udfff]")  # half a surrogate pair is not a character

# The pattern in the API description: not complete, but with escapes that every regular expression
# engine has, with or without Unicode.
TOLD = r"^[^\x00-\x1f\x7f]*$"


class NoControlCharacters:
    """Marks a text field, secret or not: `Annotated[str, NoControlCharacters()]`."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_refuse_controls, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "pattern": TOLD}


def _refuse_controls(value: object) -> object:
    if isinstance(value, str) and _REFUSED.search(value):
        raise ValueError("should have no control characters")
    return value


def drop_controls(text: str) -> str:
    """Replace control characters by spaces, in a text that can no longer be refused."""
    return _REFUSED.sub(" ", text)


def size_of(text: str | None) -> int:
    """Return the bytes that a text takes as UTF-8; 0 of none."""
    return len((text or "").encode(errors="surrogatepass"))


def read_code(typed: str) -> str:
    """Return a code as it was shown, however somebody typed or pasted it.

    The text is normalised by NFKC, digits become ASCII, and spaces, dashes and invisible characters
    are removed (UAX #44: Z*, Pd, Cf). Every code that people type is read by this.
    """
    folded = unicodedata.normalize("NFKC", typed)
    return "".join(_digit(sign) for sign in folded if not _parts_groups(sign))


def _digit(sign: str) -> str:
    return str(unicodedata.decimal(sign, sign))


def _parts_groups(sign: str) -> bool:
    category = unicodedata.category(sign)
    return category[0] == "Z" or category in {"Pd", "Cf"} or sign == "\u2212"  # minus
