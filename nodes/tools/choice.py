"""The tools a run or an assistant names are checked with its other settings, before it starts.

A name that no tool has must not wait for the first model call; and a guard of a tool that does not exist would guard
nothing.
"""

from typing import TypeVar, cast

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from nodes.context import STRICT, ModelContext, ReactContext
from nodes.tools.toolkit import Toolkit

Context = TypeVar("Context", bound=ModelContext)


def tools_checked(kind: type[Context], toolkit: Toolkit) -> type[Context]:
    """The same settings, of which `tools` and `approve_tools` may name tools of the toolkit only."""

    def tools_exist(context: Context) -> Context:
        toolkit.require(context.tools or ())
        if isinstance(context, ReactContext):
            toolkit.require(context.approve_tools)
        return context

    checked = {
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "_tools_exist": model_validator(mode="after")(tools_exist),
    }
    return cast(type[Context], dataclass(frozen=True, config=STRICT)(type(kind.__name__, (kind,), checked)))
