"""As much of JSON schema as the schemas of control.operation use, and no more."""

from __future__ import annotations

from typing import Any

_KINDS = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}
_KNOWN = {
    *("$schema", "title", "type", "anyOf", "items"),
    *("properties", "required", "additionalProperties"),
}


def problems(schema: dict[str, Any], value: Any, where: str = "") -> list[str]:
    """What of the value does not fit. KeyError for a schema that asks what this does not know."""
    for key in set(schema) - _KNOWN:
        raise KeyError(key)
    if "anyOf" in schema:
        tried = [problems(one, value, where) for one in schema["anyOf"]]
        return [] if [] in tried else min(tried, key=len)
    kind = schema.get("type")
    if kind is None:
        return []
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{where} = {value!r} is no {kind}"]
    if kind == "array":
        return [p for i, one in enumerate(value) for p in problems(schema["items"], one, where)]
    if kind == "object":
        return _inside(schema, value, where)
    return []


def _inside(schema: dict[str, Any], value: dict[str, Any], where: str) -> list[str]:
    known = schema.get("properties", {})
    found = [f"{where}.{key} is missing" for key in schema.get("required", ()) if key not in value]
    for key, one in value.items():
        of_key = known.get(key, schema.get("additionalProperties", {}))
        if of_key is False:
            found.append(f"{where}.{key} is not told by the schema")
        else:
            found += problems(of_key, one, f"{where}.{key}")
    return found
