"""The chat model that needs no key: small, deterministic, and honest about what it cannot do.

It answers by rules from what any chat model is sent: the tools offered, the JSON schema asked for, the user's
messages and the tool results. Of a system message it reads only data between tags, so no prompt's wording matters to
it, and it never guesses: what its rules do not cover, it says it cannot do. It streams tokens and reports usage.
Nothing else in the project knows of it but `nodes/models.py`, which offers it as `MODEL=offline`.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations
from typing import Any
from zoneinfo import available_timezones

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

PLAINLY = (
    "I am the offline model: rules, not intelligence. I can do arithmetic, tell the date and time, search the "
    "documents, carry out several such steps in order, solve the Game of 24, and repeat what you told me. "
    "I cannot answer this."
)
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?%?"
_EXPRESSION = re.compile(rf"[-(]*{_NUMBER}\)*(?:\s*(?:\*\*|[-+*/^×÷x%]|of\b)\s*[-(]*{_NUMBER}\)*)+")  # noqa: RUF001
_OPERAND = rf"({_NUMBER}|the result|the sum|the product|the difference|the quotient|that|it)"
_SPOKEN = (
    (re.compile(rf"\badd {_OPERAND} (?:and|to) {_OPERAND}", re.I), "{0} + {1}"),
    (re.compile(rf"\bsum of {_OPERAND} and {_OPERAND}", re.I), "{0} + {1}"),
    (re.compile(rf"\bsubtract {_OPERAND} from {_OPERAND}", re.I), "{1} - {0}"),
    (re.compile(rf"\bmultiply {_OPERAND} (?:by|with|and) {_OPERAND}", re.I), "{0} * {1}"),
    (re.compile(rf"\bdivide {_OPERAND} by {_OPERAND}", re.I), "{0} / {1}"),
)
_TOLD = re.compile(r"\bmy ([\w' ]{1,40}?) (?:is|are) ([^.;!?\n]+)", re.I)
_ASKED = re.compile(r"\bwhat(?:'s| is| are) my ([\w' ]{1,40}?)\s*\?", re.I)
_TIME = re.compile(r"\b(what time|what date|what day|current (date|time)|the (time|date)\b|today's date)", re.I)
_PLACE = re.compile(r"\bin ([A-Z][\w/]+(?:[ _][A-Z]\w+)*)")


class OfflineChatModel(BaseChatModel):
    """Deterministic stand-in for a chat model. `token_delay` (seconds) slows every streamed token down."""

    token_delay: float = 0.0
    model: str = "offline"  # what traces and metrics call it

    @property
    def _llm_type(self) -> str:
        return "offline"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(self, messages: list[BaseMessage], *args: Any, **asked: Any) -> ChatResult:
        chunks = list(self._chunks(messages, asked))
        time.sleep(self.token_delay * len(chunks))
        return _joined(chunks)

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **asked: Any) -> ChatResult:
        chunks = list(self._chunks(messages, asked))
        await asyncio.sleep(self.token_delay * len(chunks))
        return _joined(chunks)

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **asked: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for message in self._chunks(messages, asked):
            await asyncio.sleep(self.token_delay)
            yield ChatGenerationChunk(message=message)

    def answer(
        self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: dict[str, Any] | None
    ) -> AIMessage:
        """The whole answer; a subclass with other rules streams and counts them the same way."""
        return reply(messages, tools, schema)

    def _chunks(self, messages: list[BaseMessage], asked: dict[str, Any]) -> Iterator[AIMessageChunk]:
        """The answer token by token, then its usage: a token is a word with the space after it."""
        form = asked.get("response_format") or {}
        answer = self.answer(messages, asked.get("tools") or [], form.get("json_schema"))
        tokens = re.findall(r"\S+\s*|\s+", answer.text)
        yield from (AIMessageChunk(content=token) for token in tokens)
        for index, call in enumerate(answer.tool_calls):
            args = json.dumps(call["args"], ensure_ascii=False)
            tokens.append(args)
            chunk = tool_call_chunk(name=call["name"], args=args, id=call["id"], index=index)
            yield AIMessageChunk(content="", tool_call_chunks=[chunk])
        read = sum(len(message.text.split()) + 4 for message in messages)
        counted = UsageMetadata(input_tokens=read, output_tokens=len(tokens), total_tokens=read + len(tokens))
        usage = answer.usage_metadata or counted
        reason = {"finish_reason": "tool_calls" if answer.tool_calls else "stop", "model_name": "offline"}
        yield AIMessageChunk(content="", usage_metadata=usage, response_metadata=reason, chunk_position="last")


def _joined(chunks: list[AIMessageChunk]) -> ChatResult:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    message = AIMessage(
        content=whole.content,
        tool_calls=whole.tool_calls,
        usage_metadata=whole.usage_metadata,
        response_metadata=whole.response_metadata,
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def reply(messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: dict[str, Any] | None) -> AIMessage:
    """What the rules answer. `tools` and `schema` are in OpenAI's wire form."""
    asked = [index for index, message in enumerate(messages) if isinstance(message, HumanMessage)]
    if not asked:
        return AIMessage(PLAINLY)
    question = str(messages[asked[-1]].text)
    results = [message for message in messages[asked[-1] :] if isinstance(message, ToolMessage)]
    kept = [_marked(str(message.text)) for message in messages if isinstance(message, SystemMessage)]
    earlier = [*kept, *(str(messages[index].text) for index in asked[:-1])]
    if schema is not None:
        answer = _structured(schema.get("schema", {}), question, results, earlier)
        return AIMessage(json.dumps(answer, ensure_ascii=False))
    data = _object(question)
    if isinstance(data.get("steps"), list):
        return AIMessage(_report(data["steps"]))
    if isinstance(data.get("messages"), list):
        told = "\n".join([str(data.get("summary")), *(str(message.get("text")) for message in data["messages"])])
        return AIMessage("\n".join(dict.fromkeys(f"my {thing} is {value}" for thing, value in _TOLD.findall(told))))
    return _chat(str(data.get("task") or question), earlier, results, tools)


def _chat(question: str, earlier: list[str], results: list[ToolMessage], tools: list[dict[str, Any]]) -> AIMessage:
    if results and results[-1].status == "error":
        return AIMessage(f"I could not do this: {results[-1].name or 'a tool'} said: {results[-1].text}")
    if operations := _operations(question):
        return _calculate(operations, [str(result.text) for result in results], tools)
    if wanted := _wanted(question, tools):
        call, told = wanted
        return AIMessage(told.format(results[-1].text)) if results else call
    return AIMessage(_remembered(question, earlier) or PLAINLY)


def _wanted(question: str, tools: list[dict[str, Any]]) -> tuple[AIMessage, str] | None:
    """The call of a tool that the question asks for, and how its result is told."""
    told, dropped = _TOLD.search(question), re.match(r"forget my ([\w' ]+?)[.!]?$", question, re.I)
    if told and re.match(r"(please )?remember\b", question, re.I) and (tool := _tool_with("value", tools)):
        return _call(tool, {"key": told[1], "value": told[2].strip()}, 0), "{}."
    if dropped and (tool := _tool_with("key", tools, "value")):
        return _call(tool, {"key": dropped[1]}, 0), "{}."
    if _TIME.search(question) and (tool := _tool_with("timezone", tools)):
        place = _PLACE.search(question)
        return _call(tool, {"timezone": _zone(place[1]) if place else "UTC"}, 0), "It is {}."
    if re.search(r"\b(documents?|docs)\b", question, re.I) and (tool := _tool_with("query", tools)):
        return _call(tool, {"query": question}, 0), "From the documents:\n{}"
    return None


def _calculate(operations: list[str], done: list[str], tools: list[dict[str, Any]]) -> AIMessage:
    calculator = _tool_with("expression", tools)
    if not calculator:
        return AIMessage(f"I need a calculator tool for {operations[0]}, and none was offered to me.")
    filled = [operation.format(*done[i - 1 : i] or "?") for i, operation in enumerate(operations)]
    if len(done) < len(operations):
        return _call(calculator, {"expression": filled[len(done)]}, len(done))
    return AIMessage("\n".join(f"{left} = {right}" for left, right in zip(filled, done, strict=False)))


def _operations(text: str) -> list[str]:
    """The calculations asked for, in order, `{}` standing for the result before; [] if any part is not understood."""
    found: list[str] = []
    for clause in re.split(r"\bthen\b|;|\.\s|\n", text):
        spoken = [
            template.format(*("{}" if not part[0].isdigit() else part for part in match.groups()))
            for pattern, template in _SPOKEN
            for match in pattern.finditer(clause)
        ]
        for word, sign in (("plus", "+"), ("minus", "-"), ("times", "*"), ("divided by", "/")):
            clause = re.sub(rf"(?<=\d)\s+{word}\s+(?=\d)", f" {sign} ", clause)
        found_here = (match[0].strip() for match in _EXPRESSION.finditer(clause))
        written = [text for text in found_here if not re.match(r"\d{4}-\d\d-\d", text)]
        if not (spoken or written) and (found or re.search(r"\d", clause)) and clause.strip(" ,?!."):
            return []
        found += spoken or written
    return [] if found and "{}" in found[0] else found


def _remembered(question: str, earlier: list[str]) -> str | None:
    if asked := _ASKED.search(question):
        for text in reversed(earlier):
            for thing, value in reversed(_TOLD.findall(text)):
                if thing.lower() == asked[1].lower():
                    return f"Your {thing} is {value.strip()}."
        return f"You have not told me your {asked[1]} in this thread."
    told = _TOLD.findall(question)
    return "Noted: " + "; ".join(f"your {thing} is {value.strip()}" for thing, value in told) + "." if told else None


def _report(steps: list[dict[str, Any]]) -> str:
    lines = [f"{step.get('task')}: {step.get('output')}" for step in steps]
    done = [step for step in steps if step.get("status") == "done"]
    return "\n".join([*lines, f"Result: {done[-1].get('output')}" if len(done) == len(steps) else "Not all was done."])


def _marked(text: str) -> str:
    """The data in a system message: what stands between its tags of memory. Its wording is not read."""
    summary = "\n".join(re.findall(r"<summary>\n(.*?)\n</summary>", text, re.S))
    facts = re.findall(r"^(.+?): (.+)$", "\n".join(re.findall(r"<memory>\n(.*?)\n</memory>", text, re.S)), re.M)
    return "\n".join([*(f"my {key} is {value}" for key, value in facts), summary])


def _structured(
    schema: dict[str, Any], question: str, results: list[ToolMessage], earlier: list[str]
) -> dict[str, Any]:
    """An object for the schema, as far as the rules reach: what they do not know is left out, never made up."""
    properties = schema.get("properties", {})
    numbers = _left(question)
    if "steps" in properties:
        return {"steps": _plan(question, properties["steps"])}
    if "thoughts" in properties:
        return {"thoughts": [text for text, _ in _moves(numbers)]}
    if "label" in properties and numbers:
        return {"label": "sure" if _reaches_24(numbers) else "impossible"}
    answer = _chat(question, earlier, results, []).text
    value = results[-1].text if results else answer
    filled: dict[str, Any] = {}
    for name, kind in ((name, prop.get("type")) for name, prop in properties.items()):
        if kind == "string":
            filled[name] = answer if name != "value" else value
        elif kind in ("number", "integer") and re.fullmatch(r"-?\d+(\.\d+)?", value):
            filled[name] = float(value) if "." in value else int(value)
    return filled


def _plan(question: str, steps: dict[str, Any]) -> list[dict[str, Any]]:
    variants = [variant["properties"] for variant in steps["items"].get("anyOf", [])]
    tools = [
        {"function": {"name": v["tool"]["const"], "parameters": v["args"]}} for v in variants if "const" in v["tool"]
    ]
    calculator, plan = _tool_with("expression", tools), list[dict[str, Any]]()
    if isinstance(_object(question).get("steps"), list):  # to plan anew what failed takes more than rules
        return plan
    for number, operation in enumerate(_operations(question) if calculator else [], start=1):
        before = [f"s{number - 1}"] if "{}" in operation else []
        expression = operation.format(*(f"${step}" for step in before))
        step = {"id": f"s{number}", "task": f"Compute {expression}", "tool": calculator}
        plan.append({**step, "args": {"expression": expression}, "depends_on": before})
    if not plan and (wanted := _wanted(question, tools)):
        call = wanted[0].tool_calls[0]
        plan.append({"id": "s1", "task": question, "tool": call["name"], "args": call["args"], "depends_on": []})
    return plan


def _left(text: str) -> tuple[Fraction, ...]:
    lines = re.findall(r"^left: ([\d/ -]+)$", text, re.M)
    return tuple(sorted(Fraction(number) for number in lines[-1].split())) if lines else ()


def _moves(numbers: tuple[Fraction, ...]) -> list[tuple[str, tuple[Fraction, ...]]]:
    """Every single step of the Game of 24, as `10 - 4 = 6 (left: 6 9 13)`, with the numbers it leaves."""
    moves: dict[tuple[Fraction, ...], str] = {}
    for i, j in combinations(range(len(numbers)), 2):
        low, high = numbers[i], numbers[j]
        rest = [number for k, number in enumerate(numbers) if k not in (i, j)]
        steps = [(high, "+", low, high + low), (high, "-", low, high - low), (high, "*", low, high * low)]
        steps += [(a, "/", b, a / b) for a, b in ((high, low), (low, high)) if b]
        for a, sign, b, value in steps:
            left = tuple(sorted([*rest, value]))
            moves.setdefault(left, f"{a} {sign} {b} = {value} (left: {' '.join(map(str, left))})")
    return [(text, left) for left, text in moves.items()]


@cache
def _reaches_24(numbers: tuple[Fraction, ...]) -> bool:
    return numbers == (Fraction(24),) or any(_reaches_24(left) for _, left in _moves(numbers))


def _object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text) if text.lstrip().startswith("{") else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _tool_with(parameter: str, tools: list[dict[str, Any]], without: str = "") -> str | None:
    takes = {tool["function"]["name"]: tool["function"].get("parameters", {}).get("properties", {}) for tool in tools}
    return next((name for name, taken in takes.items() if parameter in taken and without not in taken), None)


def _call(tool: str, args: dict[str, Any], number: int) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": tool, "args": args, "id": f"call_{number + 1}", "type": "tool_call"}])


def _zone(place: str) -> str:
    city = place.replace(" ", "_")
    return next((zone for zone in sorted(available_timezones()) if zone.rpartition("/")[2] == city), place)
