"""Whether the configured model can be reached and calls tools: one small call, or two when the first one fails."""

import asyncio
from dataclasses import dataclass

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from nodes.models import ModelChoice, ModelNotConfiguredError, ModelUnavailableError, chat_model, describe_model
from nodes.tools.calculator import calculator

QUESTION = "Use the calculator: what is 17.5% of 2,340?"


@dataclass(frozen=True)
class ModelFinding:
    what: str
    says: str
    remedy: str | None = None
    """What to do about it; None when all is well."""


async def check_model(seconds: float) -> list[ModelFinding]:
    """What holds of the model that the environment names; each call may take so many seconds."""
    try:
        name, model = describe_model(), chat_model(ModelChoice())
    except (ModelNotConfiguredError, ModelUnavailableError) as error:
        return [ModelFinding("model", "none can be used", str(error))]
    answer = await _asked(model.bind_tools([calculator]), seconds)
    if not isinstance(answer, BaseException):
        return [ModelFinding("model", f"{name} answers"), _tools(answer)]
    plain = await _asked(model, seconds)
    if isinstance(plain, BaseException):
        remedy = "Check MODEL, OPENAI_BASE_URL and the key, and whether that server can be reached from here."
        return [ModelFinding("model", f"{name} does not answer ({_words(plain, seconds)})", remedy)]
    return [
        ModelFinding("model", f"{name} answers"),
        ModelFinding("tools", f"it refuses to be offered tools ({_words(answer, seconds)})", _OTHER_MODEL),
    ]


_OTHER_MODEL = "Take a model that calls tools, or start its server with tool calls switched on: react needs them."


def _tools(answer: AIMessage) -> ModelFinding:
    if answer.tool_calls:
        return ModelFinding("tools", "it calls tools")
    return ModelFinding("tools", "asked to call the calculator, it did not", _OTHER_MODEL)


async def _asked(model: Runnable[LanguageModelInput, AIMessage], seconds: float) -> AIMessage | BaseException:
    """The answer, or whatever went wrong: each provider has errors of its own."""
    [answer] = await asyncio.gather(asyncio.wait_for(model.ainvoke(QUESTION), seconds), return_exceptions=True)
    return answer


def _words(error: BaseException, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {seconds:g} s"
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
