"""Sets of paths."""

from collections.abc import Collection


class Paths:
    """Some paths: each exactly, or all below one that ends with `/`."""

    def __init__(self, paths: Collection[str]) -> None:
        if isinstance(paths, str) or not all(path.startswith("/") for path in paths):
            raise ValueError("each path should begin with /")
        self._exact = frozenset(paths)
        self._below = tuple(path for path in paths if path.endswith("/"))

    def include(self, path: str) -> bool:
        """Tell whether a path is one of them.

        Threat: `/public/../admin` is below `/public/` in letters alone, and some apps resolve it.
        """
        if path in self._exact:
            return True
        is_plain = not {".", "..", ""} & set(path.removesuffix("/").split("/")[1:])
        return is_plain and path.startswith(self._below)
