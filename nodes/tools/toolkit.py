"""The tools a graph offers, and the one way to run one.

Whatever goes wrong in a tool becomes an error ToolMessage the model can react to; a tool never ends a run.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langchain_core.tools import BaseTool, ToolException
from langgraph.errors import GraphBubbleUp
from pydantic import ValidationError

from nodes.context import ModelContext
from nodes.history import clean
from nodes.tools.guard import ToolGuard, ToolPolicy, ToolTimeoutError, capped
from nodes.tools.user_memory import ANONYMOUS, user_of

logger = logging.getLogger(__name__)


class UnknownToolError(ValueError):
    """A run names a tool that does not exist."""


class ToolSource(Protocol):
    """Tools that may come later, such as those of another server."""

    def tools(self) -> Sequence[BaseTool]:
        """Those there are now; must not block."""
        ...

    def why_missing(self, name: str) -> str | None:
        """Why there is no tool of that name now, if there may be one later."""
        ...


class Toolkit:
    """Tools by name, each under its policy.

    `memory` are the tools that a run without long-term memory is not offered; those of `source` may come later.
    """

    def __init__(
        self,
        tools: Sequence[BaseTool],
        memory: Sequence[BaseTool] = (),
        *,
        policies: Mapping[str, ToolPolicy] | None = None,
        guard: ToolGuard | None = None,
        source: ToolSource | None = None,
    ) -> None:
        self._fixed = {tool.name: tool for tool in (*tools, *memory)}
        self._source = source
        self._memory = {tool.name for tool in memory}
        self._policies = dict(policies or {})
        self._guard = guard or ToolGuard()

    @property
    def tools(self) -> list[BaseTool]:
        """All there are now."""
        more = self._source.tools() if self._source else ()
        return [*self._fixed.values(), *(tool for tool in more if tool.name not in self._fixed)]

    def offered(self, context: ModelContext) -> list[BaseTool]:
        """The tools a run may use: those it names, or all; no user memory when it is switched off.

        A tool that may come later is not offered until it is there.
        Raises `UnknownToolError` when the run names a tool there is none of.
        """
        self.require(context.tools or ())
        there = self.tools
        hidden = set() if context.long_term_memory else self._memory
        named = context.tools
        return [tool for tool in there if (named is None or tool.name in named) and tool.name not in hidden]

    def require(self, names: Sequence[str]) -> None:
        """Raise `UnknownToolError` when there is no tool of one of these names, and none may come later."""
        there = [tool.name for tool in self.tools]
        unknown = sorted(name for name in set(names).difference(there) if not self._why_missing(name))
        if unknown:
            raise UnknownToolError(f"there is no tool {unknown[0]!r}; there are: {', '.join(there)}")

    def _why_missing(self, name: str) -> str | None:
        return self._source.why_missing(name) if self._source else None

    async def run(self, call: ToolCall, config: RunnableConfig, context: ModelContext) -> ToolMessage:
        """The call's result; `status` is "error" and the text safe to show when there is none.

        The tool finds `idempotency_key` in its `configurable`: the same when this very call is run again after a crash.
        """
        offered = {tool.name: tool for tool in self.offered(context)}
        tool = offered.get(call["name"])
        if tool is None:
            why = self._why_missing(call["name"]) or f"there are: {', '.join(offered)}"
            return failure(call, f"there is no tool {call['name']!r}; {why}")
        policy = self._policies.get(tool.name, ToolPolicy())
        keyed = merge_configs(config, RunnableConfig(configurable={"idempotency_key": idempotency_key(call, config)}))
        try:
            result = await self._guard.run(
                tool.name,
                user_of(config) or ANONYMOUS,
                policy,
                lambda: tool.ainvoke({**call, "type": "tool_call"}, keyed),
            )
        except GraphBubbleUp:  # an interrupt is no failure
            raise
        except (ToolException, ToolTimeoutError) as error:  # written for the model to read
            return failure(call, str(error))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            return failure(call, f"wrong arguments: {wrong}")
        except Exception as error:  # a tool is foreign code: no failure of it may end the run
            logger.warning("tool %s failed", call["name"], exc_info=True)
            # The text of an unforeseen exception may hold secrets (a DSN, a path), so only its class is shown.
            return failure(call, f"the tool failed with {type(error).__name__}")
        if not isinstance(result, ToolMessage):
            return failure(call, "the tool gave no result")
        texts = isinstance(result.content, list) and all(_is_text(block) for block in result.content)
        content = str(result.text) if texts else result.content
        return clean(result.model_copy(update={"content": capped(content, policy.max_result)}))


def _is_text(block: object) -> bool:
    return isinstance(block, str) or (isinstance(block, dict) and block.get("type") == "text")


def idempotency_key(call: ToolCall, config: RunnableConfig) -> str:
    """One key per run, task and call; a task that is run again after a crash keeps its checkpoint namespace."""
    known = config.get("configurable", {})
    run = known.get("run_id") or known.get("thread_id") or ""
    parts = f"{run}\n{known.get('checkpoint_ns', '')}\n{call['id']}"
    return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()[:32]


def failure(call: ToolCall, text: str) -> ToolMessage:
    return ToolMessage(text, tool_call_id=call["id"] or "", name=call["name"], status="error")
