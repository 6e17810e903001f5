"""Forms of JSON Schema that client generators process well (contract section 1).

Pydantic's schemas are correct but complex: unions with null become classes without fields, and a
closed list of values in a response breaks strict clients when a value is added.
"""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

_COMPONENT = "#/components/schemas/"
_NULL = {"type": "null"}


def make_portable(document: Schema) -> None:
    """Rewrite the schemas of a document in place; valid requests and responses stay the same."""
    schemas = document["components"]["schemas"]
    operations = [one for path in document["paths"].values() for one in path.values()]
    for operation in operations:
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _if_given(parameter["schema"])
        for content in operation.get("requestBody", {}).get("content", {}).values():
            content["schema"] = _if_given(content["schema"])
    answered = _reached_from([operation["responses"] for operation in operations], schemas)
    for operation in operations:
        operation["responses"] = _rewrite(operation["responses"], _opened(schemas))
    for name in answered:
        if not _lists_values(schemas[name]):
            schemas[name] = _rewrite(schemas[name], _opened(schemas))
    for name in [*schemas]:
        schemas[name] = _rewrite(schemas[name], _plain(schemas))
    _drop_unused(document)


def _rewrite(part: Any, rule: Callable[[Schema], Schema]) -> Any:
    """Apply a rule to every schema in a part, innermost first; examples are not changed."""
    if isinstance(part, list):
        return [_rewrite(one, rule) for one in part]
    if not isinstance(part, dict):
        return part
    return rule(
        {
            name: inner if name in {"example", "examples"} else _rewrite(inner, rule)
            for name, inner in part.items()
        }
    )


def _if_given(schema: Schema) -> Schema:
    """Describe a parameter that may be absent, but not null."""
    options = [one for one in schema.get("anyOf", ()) if one != _NULL]
    if len(options) != 1:
        return schema
    rest = {name: inner for name, inner in schema.items() if name not in {"anyOf", "title"}}
    return options[0] if "$ref" in options[0] else {**rest, **options[0]}


def _plain(schemas: Schema) -> Callable[[Schema], Schema]:
    """Return a rule that turns a union of a type and null into a nullable type.

    A component with values stands in its place by its contents: a reference cannot be nullable.
    """

    def rule(schema: Schema) -> Schema:
        options = schema.get("anyOf", [])
        if len(options) != 2 or options[1] != _NULL:
            return schema
        named = schemas.get(str(options[0].get("$ref", "")).removeprefix(_COMPONENT))
        one = _rewrite(named, rule) if named else options[0]
        # Generators take a nullable object only as a reference beside null.
        if "type" not in one or (named and one["type"] == "object"):
            return schema
        rest = {name: inner for name, inner in schema.items() if name != "anyOf"}
        values = {"enum": [*one["enum"], None]} if "enum" in one else {}
        return {**one, **values, **rest, "type": [one["type"], "null"]}

    return rule


def _drop_unused(document: Schema) -> None:
    """Remove the components that nothing refers to."""
    schemas = document["components"]["schemas"]
    used = _reached_from([document["paths"]], schemas)
    for name in set(schemas) - used:
        del schemas[name]


def _opened(schemas: Schema) -> Callable[[Schema], Schema]:
    """Return a rule that names known values instead of closing the list of them."""

    def rule(schema: Schema) -> Schema:
        named = schemas.get(str(schema.get("$ref", "")).removeprefix(_COMPONENT), {})
        if _lists_values(named):
            rest = {name: inner for name, inner in schema.items() if name != "$ref"}
            schema = {**named, **rest}
        if not _lists_values(schema):
            return schema
        known = schema["enum"] if "enum" in schema else [schema["const"]]
        told = f"Known: {', '.join(f'`{value}`' for value in known)}; others may be added."
        rest = {name: inner for name, inner in schema.items() if name not in {"enum", "const"}}
        description = " ".join(filter(None, (schema.get("description"), told)))
        return {**rest, "type": "string", "description": description, "x-extensible-enum": known}

    return rule


def _lists_values(schema: Schema) -> bool:
    return "enum" in schema or "const" in schema


def _reached_from(roots: list[Any], schemas: Schema) -> set[str]:
    """Return the names of components that some parts refer to, directly or indirectly."""
    found: set[str] = set()

    def note(schema: Schema) -> Schema:
        name = str(schema.get("$ref", "")).removeprefix(_COMPONENT)
        if name in schemas and name not in found:
            found.add(name)
            _rewrite(schemas[name], note)
        return schema

    _rewrite(roots, note)
    return found
