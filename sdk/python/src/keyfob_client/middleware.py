"""The part that both middlewares share: which requests need a token, and the metadata."""

from collections.abc import Collection
from typing import Generic, TypeVar

from keyfob_client.answers import Answer, describe_resource
from keyfob_client.verifier import Trust

A = TypeVar("A")
V = TypeVar("V", bound=Trust)


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


class Middleware(Generic[A, V]):
    """Lets only those requests through that have a valid token, and answers what is refused.

    Args:
        app: the app.
        verifier: judges the tokens.
        public: the paths that need no token; one that ends with `/` stands for all below it.
        optional: whether requests without a token are let through everywhere; their token is None.
        scopes: the scopes of this service, for its metadata (RFC 9728).
        name: its name for people, likewise.
    """

    def __init__(
        self,
        app: A,
        verifier: V,
        *,
        public: Collection[str] = (),
        optional: bool = False,
        scopes: Collection[str] = (),
        name: str | None = None,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._public = Paths(public)
        self._optional = optional
        self._described = describe_resource(verifier, scopes=scopes, name=name)

    def _metadata_at(self, path: str) -> Answer | None:
        if self._described is None or self._described.path != path:
            return None
        return self._described.answer

    def _needs_token(self, path: str) -> bool:
        return not (self._optional or self._public.include(path))
