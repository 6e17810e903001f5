"""The declaration of a room, and the registry of services for routes and other rooms."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, TypeVar, get_type_hints

from keyfob.core.feed import Feed

T = TypeVar("T")


@dataclass(frozen=True)
class Chore:
    """Something that every worker does every `every` seconds, and at the start if `at_start`."""

    name: str
    every: float
    run: Callable[[], Awaitable[object]]
    at_start: bool = False


class Router(Protocol):
    """A holder of routes: an `APIRouter`, whose name only the HTTP edge knows."""

    routes: list[Any]


@dataclass(frozen=True, kw_only=True)
class Room:
    """The contributions of a room. `build` in its `room.py` declares its needs by its parameters.

    Args:
        services: services for routes, the command line and later rooms, looked up by their type.
        ports: services that are looked up by a Protocol that another room declares.
        routes: the room's routes.
        jobs: handlers of jobs of the outbox, by the kind of job.
        chores: work that every worker does beside requests.
        listen: registers with the feed what the room hears and reads again.
        stopping: called when a stop begins, while requests are still answered; returns at once.
        last: writes what is left at the stop, once the chores have ended.
        close: releases resources after that.
    """

    services: Sequence[object] = ()
    ports: Mapping[Any, object] = field(default_factory=dict)
    routes: Sequence[Router] = ()
    jobs: Mapping[str, Callable[[Any], Awaitable[None]]] = field(default_factory=dict)
    chores: Sequence[Chore] = ()
    listen: Callable[[Feed], None] | None = None
    stopping: Callable[[], None] | None = None
    last: Callable[[], Awaitable[object]] | None = None
    close: Callable[[], Awaitable[object]] | None = None


class NotThere(LookupError):
    """A service is asked for that no room brings, or two rooms bring the same."""


@cache  # tests build thousands of times
def _needs_of(build: Callable[..., Room]) -> Mapping[str, Any]:
    """Return the types of a function's parameters, by name."""
    hints = get_type_hints(build)
    return {name: hints[name] for name in inspect.signature(build).parameters}


class Services:
    """A registry of services by their types, each once."""

    def __init__(self, ground: Mapping[Any, object]) -> None:
        """Begin with the services that every room may ask for."""
        self._found: dict[Any, object] = dict(ground)

    def add(self, kind: Any, service: object) -> None:
        """Add a service.

        Raises:
            NotThere: there is one of that type already.
        """
        if kind in self._found:
            raise NotThere(f"two rooms bring {kind.__qualname__}")
        self._found[kind] = service

    def __contains__(self, kind: object) -> bool:
        return kind in self._found

    def __getitem__(self, kind: type[T]) -> T:
        """Return the service of a type.

        Raises:
            NotThere: no room brings one.
        """
        if kind not in self._found:
            raise NotThere(f"no room brings {kind.__qualname__}")
        found: T = self._found[kind]  # type: ignore[assignment] # by how `add` is called
        return found

    def build(self, build: Callable[..., Room]) -> Room:
        """Build a room with the services that the parameters of `build` ask for, and add its own.

        Raises:
            NotThere: a parameter asks for a service that no earlier room brings.
            WrongSetting: a value cannot be used.
        """
        room = build(**{name: self[kind] for name, kind in _needs_of(build).items()})
        for service in room.services:
            self.add(type(service), service)
        for kind, service in room.ports.items():
            self.add(kind, service)
        return room

    def see_to(self, dependant: Any) -> None:
        """Check that all services that a route depends on exist.

        `dependant` is FastAPI's tree of its dependencies.

        Raises:
            NotThere: the route asks by `Provided` for a service that no room brings.
        """
        for dependency in dependant.dependencies:
            kind = getattr(dependency.call, "provides", None)
            if kind is not None and kind not in self:
                raise NotThere(f"a route asks for {kind.__qualname__}, which no room brings")
            self.see_to(dependency)

    def replace(self, kind: type[T], service: T) -> None:
        """Replace a service, for those that ask for its type from now on."""
        self._found[kind] = service
