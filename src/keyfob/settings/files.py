"""Reading small files that an operator names."""

import errno
import os
from pathlib import Path

# More than any secret or token.
_MOST = 256 * 1024


def read_short(path: Path, encoding: str = "utf-8") -> str:
    """Return the text of a file of at most 256 KiB.

    Threat: a device has no end, and reading it completely would use all memory.

    Raises:
        OSError: it cannot be read, or is larger.
        UnicodeDecodeError: it is not text in that encoding.
    """
    with path.open("rb") as file:
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return content.decode(encoding)
