"""APIs that tokens are for: the list, and one API with its rights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Path
from pydantic import ValidationError
from starlette.responses import Response

from keyfob.admin.resource_models import ResourceCreate, ResourceUpdate
from keyfob.administration.authority import Actor
from keyfob.administration.errors import ResourceInUse, ResourceTaken
from keyfob.clients.models import Holders, Resource
from keyfob.core.locales import N_, Locale, gettext
from keyfob.core.problems import NotFound
from keyfob.web.console.choices import is_as_seen
from keyfob.web.console.clients import LIMITED, Reader, Resources, Writer
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

ResourceId = Annotated[UUID, Path(alias="id")]

_DONE: Mapping[str, str] = {
    "made": N_("The API is registered. Say what each of its rights is for."),
    "changed": N_("The API is changed."),
    "right": N_("The right is kept. It counts at once."),
    "right_removed": N_("The right is deleted: no program has it any more."),
    "deleted": N_("The API is deleted."),
}
_NOT_DONE: Mapping[str, str] = {"gone": N_("It was gone already.")}
_ERRORS: Mapping[str, str] = {
    "name": N_("Type a name of up to 200 characters."),
    "identifier": N_("Type a whole address without spaces and without #, such as https://…"),
    "access_token_ttl": N_("Type a number of seconds from 60 to 3600, or nothing."),
    "scopes": N_(
        "A right is a name such as orders:read, with a description of up to 200 characters. An API "
        "has a hundred at most; openid, profile, email and offline_access are taken."
    ),
}
_TYPED = (
    *("identifier", "name", "access_token_ttl", "scopes"),
    *("seen_name", "seen_access_token_ttl"),
)


@dataclass(frozen=True, kw_only=True)
class ResourcesPage:
    """The registered APIs, by identifier; `own` is that of our own, which is always there."""

    template: ClassVar[str] = "console/resources.html"

    resources: Sequence[Resource]
    own: Resource


@dataclass(frozen=True, kw_only=True)
class NewResourcePage:
    """The form that registers an API; `typed` is what it had when it was refused."""

    template: ClassVar[str] = "console/new_resource.html"

    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ResourcePage:
    """One API, and the programs that have it; `typed` is what a form had that was refused."""

    template: ClassVar[str] = "console/resource.html"
    languages: ClassVar[Sequence[Locale]] = tuple(Locale)

    resource: Resource
    programs: Holders
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def more(self) -> int:
        """The number of programs that are not shown."""
        return self.programs.total - len(self.programs.first)

    def holders(self, scope: str) -> int:
        """Return the number of programs that have a right."""
        return self.programs.by_scope.get(scope, 0)


@routes.get("/console/resources", dependencies=LIMITED)
async def show_list(visit: AVisit, caller: Reader, resources: Resources) -> Response:
    """Show the registered APIs."""
    page = ResourcesPage(resources=await resources.list_all(), own=resources.resources.own)
    return await visit.show(page, toast=visit.done(_DONE), not_done=visit.done(_NOT_DONE))


@routes.get("/console/resources/new", dependencies=LIMITED)
async def ask(visit: AVisit, caller: Writer) -> Response:
    """Show the form."""
    return await visit.show(NewResourcePage())


@routes.post("/console/resources/new", dependencies=LIMITED)
async def register(visit: AVisit, caller: Writer, resources: Resources) -> Response:
    """Register an API with the names of its rights."""
    try:
        asked = ResourceCreate.model_validate(
            {
                "identifier": visit.fields.line("identifier"),
                "name": visit.fields.line("name"),
                "scopes": {name: {} for name in visit.fields.get("scopes").split()},
                "access_token_ttl": visit.fields.line("access_token_ttl") or None,
            }
        )
        made = await resources.create(Actor(caller, visit.source), asked.to_resource())
    except ValidationError as fault:
        page = NewResourcePage(typed=_typed(visit), errors=_errors_of(fault))
        return await visit.show(page, 422)
    except ResourceTaken as refused:
        errors = {"identifier": refusal(refused.code)}
        return await visit.show(NewResourcePage(typed=_typed(visit), errors=errors), refused.status)
    return visit.go(f"/console/resources/{made.id}", done="made")


@routes.get("/console/resources/{id:uuid}", dependencies=LIMITED)
async def show_resource(
    resource_id: ResourceId, visit: AVisit, caller: Reader, resources: Resources
) -> Response:
    """Show an API."""
    return await _show_one(visit, resources, resource_id)


@routes.post("/console/resources/{id:uuid}/facts", dependencies=LIMITED)
async def change_facts(
    resource_id: ResourceId, visit: AVisit, caller: Writer, resources: Resources
) -> Response:
    """Change an API's name, and how long tokens for it live."""

    def changed(before: Resource) -> Resource:
        changes: dict[str, Any] = {}
        if not is_as_seen(visit, "name"):
            changes["name"] = visit.fields.line("name")
        if not is_as_seen(visit, "access_token_ttl"):
            changes["access_token_ttl"] = visit.fields.line("access_token_ttl") or None
        return _updated(before, **changes)

    return await _change(visit, caller, resources, resource_id, changed, done="changed")


@routes.post("/console/resources/{id:uuid}/rights", dependencies=LIMITED)
async def keep_right(
    resource_id: ResourceId, visit: AVisit, caller: Writer, resources: Resources
) -> Response:
    """Add a right to an API, or say anew what one is for; the others stay."""
    right, told = visit.fields.line("right"), _words_of(visit)
    is_known = "seen_right" in visit.fields
    if is_known and right not in (await resources.get(resource_id)).scopes:
        return visit.go(f"/console/resources/{resource_id}", done="gone")

    def changed(before: Resource) -> Resource:
        if is_known and right not in before.scopes:
            return before
        words = {**before.scopes.get(right, {}), **told}
        said = {locale: text for locale, text in words.items() if text}
        return _updated(before, scopes={**before.scopes, right: said})

    return await _change(visit, caller, resources, resource_id, changed, done="right")


@routes.post("/console/resources/{id:uuid}/rights/remove", dependencies=LIMITED)
async def remove_right(
    resource_id: ResourceId, visit: AVisit, caller: Writer, resources: Resources
) -> Response:
    """Delete a right of an API; programs lose it, and their tokens end."""
    right = visit.fields.get("right")
    if right not in (await resources.get(resource_id)).scopes:
        return visit.go(f"/console/resources/{resource_id}", done="gone")

    def changed(before: Resource) -> Resource:
        kept = {name: words for name, words in before.scopes.items() if name != right}
        return before._replace(scopes=kept)

    return await _change(visit, caller, resources, resource_id, changed, done="right_removed")


@routes.post("/console/resources/{id:uuid}/delete", dependencies=LIMITED)
async def delete(
    resource_id: ResourceId, visit: AVisit, caller: Writer, resources: Resources
) -> Response:
    """Delete an API that no program has."""
    try:
        await resources.delete(Actor(caller, visit.source), resource_id)
    except ResourceInUse as refused:
        errors = {"": refusal(refused.code)}
        return await _show_one(visit, resources, resource_id, errors, status=refused.status)
    except NotFound:
        return visit.go("/console/resources", done="gone")
    return visit.go("/console/resources", done="deleted")


def _words_of(visit: Visit) -> dict[str, str]:
    """Return the descriptions of a right that its reader has changed, by language."""
    told = {locale.value: visit.fields.line(f"words_{locale}") for locale in Locale}
    seen = {locale: visit.fields.line(f"seen_words_{locale}") for locale in told}
    return {locale: text for locale, text in told.items() if text != seen[locale]}


def _updated(before: Resource, **changes: Any) -> Resource:
    """Return a resource with changes that the API would take.

    Raises:
        ValidationError: it would not.
    """
    return ResourceUpdate.model_validate(changes).changed(before)


async def _change(
    visit: Visit,
    caller: Writer,
    resources: Resources,
    resource_id: UUID,
    changed: Callable[[Resource], Resource],
    *,
    done: str,
) -> Response:
    try:
        await resources.change(Actor(caller, visit.source), resource_id, changed)
    except ValidationError as fault:
        return await _show_one(visit, resources, resource_id, _errors_of(fault), status=422)
    return visit.go(f"/console/resources/{resource_id}", done=done)


async def _show_one(
    visit: Visit,
    resources: Resources,
    resource_id: UUID,
    errors: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> Response:
    resource = await resources.get(resource_id)
    page = ResourcePage(
        resource=resource,
        programs=await resources.count_holders(resource),
        typed=_typed(visit),
        errors=errors or {},
    )
    done, not_done = visit.done(_DONE), visit.done(_NOT_DONE)
    return await visit.show(page, status, toast=done, not_done=not_done)


def _typed(visit: Visit) -> dict[str, str]:
    return {name: visit.fields.get(name) for name in _TYPED if name in visit.fields}


def _errors_of(fault: ValidationError) -> dict[str, str]:
    """Return a sentence for each field that does not fit."""
    return {
        name: gettext(_ERRORS[name])
        for name in dict.fromkeys(str(error["loc"][0]) for error in fault.errors())
    }
