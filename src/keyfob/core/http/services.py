"""How a route finds the service that wiring built, without looking up at wiring."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Depends
from starlette.requests import Request

T = TypeVar("T")


def provided(kind: type[T]) -> Callable[[Request], Awaitable[T]]:
    """Return a dependency that gives the instance of `kind` that wiring built."""

    async def find(request: Request) -> T:
        found: T = request.app.state.services[kind]
        return found

    return find


def Provided(kind: type[Any]) -> Any:  # noqa: N802 - reads as the annotation that it is
    """Mark a parameter whose value wiring gives."""
    return Depends(provided(kind))
