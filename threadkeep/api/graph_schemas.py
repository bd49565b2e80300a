"""What a graph says of itself: JSON schemas of what it takes, gives and holds, and the drawing of its nodes.

A part that has no JSON form (a channel of live objects) is `null`, never an error: Studio asks for all of it at once.
"""

from __future__ import annotations

import sys
import types
import typing
from typing import Any, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import BaseModel, PydanticUserError, TypeAdapter

from threadkeep.graphs import Graph

Schema = dict[str, Any]


def graph_schemas(graph: Graph) -> dict[str, Schema | None]:
    """The six keys of the API's GraphSchema, without `graph_id`."""
    context = None if graph.context_schema is None else json_schema(graph.context_schema)
    return {**channel_schemas(graph), "config_schema": context or {}, "context_schema": context}


def channel_schemas(graph: Graph) -> dict[str, Schema | None]:
    builder = getattr(graph, "builder", None)
    if builder is None:  # made with @entrypoint: one input, one output, nothing in between
        given, made = json_schema(graph.InputType), json_schema(graph.OutputType)
        return {"input_schema": given, "output_schema": made, "state_schema": made}
    return {
        "input_schema": json_schema(builder.input_schema),
        "output_schema": json_schema(builder.output_schema),
        "state_schema": json_schema(builder.state_schema),
    }


def json_schema(kind: Any) -> Schema | None:
    """The JSON schema of a type; None when it has none."""
    try:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind.model_json_schema()
        return TypeAdapter(_readable(kind)).json_schema()
    except (PydanticUserError, TypeError, NameError):
        # Types of a graph's own that pydantic cannot describe, or annotations that name nothing.
        return None


def _readable(kind: Any) -> Any:
    """The type with `typing.TypedDict` rebuilt, wherever it occurs: before Python 3.12 pydantic refuses those."""
    if sys.version_info >= (3, 12):
        return kind
    if typing.is_typeddict(kind) and type(kind).__module__ == "typing":
        hints = {name: _readable(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
        needed: frozenset[str] = kind.__required_keys__
        marked = {name: hint if name in needed else typing_extensions.NotRequired[hint] for name, hint in hints.items()}
        return typing_extensions.TypedDict(kind.__name__, marked)  # type: ignore[operator]
    origin, arguments = get_origin(kind), tuple(map(_readable, get_args(kind)))
    if origin in (list, dict, set, tuple):
        return origin[arguments]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[arguments]  # noqa: UP007 - made at run time
    return kind


def drawing(graph_json: dict[str, Any]) -> dict[str, Any]:
    """Nodes and edges as the API shows them; of a node's implementation only its name is anybody's business."""
    nodes = [
        {**node, "data": {key: item for key, item in node["data"].items() if key != "id"}}
        if isinstance(node.get("data"), dict)
        else node
        for node in graph_json["nodes"]
    ]
    return {"nodes": nodes, "edges": graph_json["edges"]}
