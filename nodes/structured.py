"""Answers in a JSON schema, validated here and repaired once.

The schema goes to the model as `response_format` (json_schema), which OpenAI, vLLM, Ollama and llama.cpp know. No
server is trusted to keep to it, and one that refuses it is asked in words. What comes back is parsed and validated in
code, and a wrong answer is shown to the model once with the errors.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from jsonschema import Draft202012Validator
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from nodes import prompts
from nodes.context import ModelContext
from nodes.history import valid
from nodes.model_call import INTERNAL, SchemaRefusedError, complete
from nodes.models import ChatModels
from nodes.state import Spent, add_spent
from nodes.tokens import text_tokens

MOST_FAULTS = 5
"""Faults of an answer that are named to the model."""


class StructuredOutputError(ValueError):
    """The model gave no valid answer to the schema; `spent` is what asking has cost."""

    def __init__(self, problem: str, spent: Spent) -> None:
        super().__init__(problem)
        self.spent = spent


async def ask_json(
    models: ChatModels,
    context: ModelContext,
    messages: Sequence[BaseMessage],
    schema: dict[str, Any],
    config: RunnableConfig,
    check: Callable[[Any], list[str]] = lambda value: [],
) -> tuple[dict[str, Any], Spent]:
    """The model's answer as an object valid against `schema` (which has a `title`), and what it cost.

    `check` sees an answer that is valid so far and tells what else is wrong with it.
    Raises `StructuredOutputError` when one repair did not help.
    """
    quiet = merge_configs(config, INTERNAL)
    conversation, spent, in_words = list(messages), Spent(), False
    for _ in range(2):
        try:
            answer, cost = await complete(models, context, conversation, quiet, schema=schema, in_words=in_words)
        except SchemaRefusedError:
            in_words = True
            answer, cost = await complete(models, context, conversation, quiet, schema=schema, in_words=True)
        spent = add_spent(spent, cost)
        value = valid(_first_object(str(answer.text)))
        problems = _problems(value, schema) or check(value)
        if not problems:
            return cast(dict[str, Any], value), spent
        conversation += [AIMessage(str(answer.text)), HumanMessage(f"{prompts.REPAIR}\n" + "\n".join(problems))]
    raise StructuredOutputError("; ".join(problems), spent)


def most_tokens(prompt: int, schema: dict[str, Any], written: int) -> tuple[int, int]:
    """Tokens that `ask_json` may read and write at most, by estimate, when an answer has at most `written`.

    The schema is counted as if it had to be spelt out; the faults of an answer quote parts of it, at most all of it.
    """
    spelt = text_tokens(prompts.JSON_ONLY + json.dumps(schema)) + 4
    repair = text_tokens(prompts.REPAIR) + MOST_FAULTS * 60 + 8
    return 2 * (prompt + spelt) + 2 * written + repair, 2 * written


def _first_object(text: str) -> Any:
    """The first JSON object in `text`: some models wrap it in prose, a code fence or <think> tags."""
    text = re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)
    start = text.find("{")
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else None
    except ValueError:
        return None


def _problems(value: Any, schema: dict[str, Any]) -> list[str]:
    if value is None:
        return ["no JSON object was found"]
    found = Draft202012Validator(schema).iter_errors(value)
    return [f"{'.'.join(map(str, error.absolute_path)) or 'the object'}: {error.message}" for error in found][
        :MOST_FAULTS
    ]
