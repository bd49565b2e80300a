"""Which chat model answers, and how it is reached.

`MODEL` names it: `openai:<name>` for OpenAI and everything that speaks its chat completions, `offline` for the
built-in model that needs no key, any other `<provider>:<name>` for an installed LangChain provider package.
`record:<model>` writes what that model answers to the file CASSETTE, `replay:<file>` answers from it. A run may name
another model through its context, but no file. Nothing is guessed: with neither key nor MODEL the graphs refuse to
load, so that a mistyped key never puts a toy in front of users.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from langchain_core.language_models import BaseChatModel

from nodes.cassette import RecordingModel, ReplayModel
from nodes.offline import OfflineChatModel
from nodes.providers import missing

DEFAULT_OPENAI_MODEL = "gpt-5-mini"
OFFLINE = "offline"
DEFAULT_TIMEOUT = 60.0
SDK_RETRIES = 2
"""How often a provider's SDK asks again by itself; that of most providers, and ours for OpenAI."""
DEFAULT_CASSETTE = "cassette.jsonl"
VARIABLES = ("MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "MODEL_TIMEOUT", "OFFLINE_TOKEN_DELAY", "CASSETTE")
MOST_MODELS = 64


class ModelNotConfiguredError(RuntimeError):
    """No chat model is configured."""

    def __init__(self) -> None:
        super().__init__(
            "No chat model is configured. Either set MODEL=offline for the built-in model that needs no key, "
            "or set OPENAI_API_KEY (and, if you like, MODEL=openai:<name> and OPENAI_BASE_URL)."
        )


class ModelUnavailableError(ValueError):
    """The model that was named cannot be used here; the message says what is missing."""


@dataclass(frozen=True)
class ModelChoice:
    """What a run may choose about its model. `None` leaves a choice to the environment or to the provider."""

    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


ChatModels = Callable[[ModelChoice], BaseChatModel]
"""Where nodes get their model from; the shipped graphs use `EnvironmentModels`."""


def describe_model(model: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The full name of the model that answers, such as "offline" or "openai:gpt-5-mini".

    Raises `ModelNotConfiguredError` when neither `model` nor the environment names one.
    """
    named = (model or environ.get("MODEL", "")).strip()
    if not named and environ.get("OPENAI_API_KEY"):
        return f"openai:{DEFAULT_OPENAI_MODEL}"
    if not named:
        raise ModelNotConfiguredError
    if named != OFFLINE and not all(named.partition(":")):
        raise ModelUnavailableError(f"MODEL must be 'offline' or '<provider>:<name>', not {named!r}")
    if model and named.startswith(("record:", "replay:")):
        raise ModelUnavailableError("only MODEL can name a file to record to or replay from, not a run")
    return named


def require_usable(model: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """As `describe_model`, and raises `ModelUnavailableError` for what is missing, short of loading a provider."""
    name = describe_model(model, environ)
    provider = name.partition(":")[0]
    if provider == "openai" and not (environ.get("OPENAI_API_KEY") or environ.get("OPENAI_BASE_URL")):
        raise ModelUnavailableError(f"{name} needs OPENAI_API_KEY (or OPENAI_BASE_URL of a keyless server)")
    if provider not in (OFFLINE, "openai", "record", "replay") and (what := missing(provider)):
        raise ModelUnavailableError(f"{name} needs {what}")
    return name


def chat_model(choice: ModelChoice = ModelChoice(), environ: Mapping[str, str] = os.environ) -> BaseChatModel:
    """The chat model for one call.

    Raises `ModelNotConfiguredError` or `ModelUnavailableError` with the remedy in the message.
    """
    name = require_usable(choice.model, environ)
    provider, _, model = name.partition(":")
    if name == OFFLINE:
        return OfflineChatModel(token_delay=_seconds(environ, "OFFLINE_TOKEN_DELAY", 0.0))
    if provider == "record":
        inner = chat_model(replace(choice, model=model), environ)
        return RecordingModel(inner=inner, cassette=Path(environ.get("CASSETTE") or DEFAULT_CASSETTE))
    if provider == "replay":
        return ReplayModel(cassette=Path(model))
    if provider == "openai":
        return _openai(model, choice, environ)
    return _from_provider(name, choice, environ)


class EnvironmentModels:
    """The models the environment and the run name. Each is made once, because a replayed cassette has a place."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._made: dict[tuple[object, ...], BaseChatModel] = {}

    def __call__(self, choice: ModelChoice) -> BaseChatModel:
        key = (choice, *(self._environ.get(name) for name in VARIABLES))
        if key not in self._made:
            if len(self._made) >= MOST_MODELS:  # runs may choose any temperature; forget rather than grow for ever
                self._made.clear()
            self._made[key] = chat_model(choice, self._environ)
        return self._made[key]


def _openai(model: str, choice: ModelChoice, environ: Mapping[str, str]) -> BaseChatModel:
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 (2.6 s to import, and the offline model needs none of it)

    key, url = environ.get("OPENAI_API_KEY"), environ.get("OPENAI_BASE_URL") or None
    return ChatOpenAI(
        model=model,
        api_key=key or "no-key",  # type: ignore[arg-type]  # the client refuses an empty key; Ollama and vLLM ignore it
        base_url=url or "https://api.openai.com/v1",  # explicit, or another variable could redirect the key
        timeout=_seconds(environ, "MODEL_TIMEOUT", DEFAULT_TIMEOUT),
        max_retries=SDK_RETRIES,  # the only retry layer: a second one would multiply the requests
        stream_usage=True,
        use_responses_api=False,  # some model names switch it on by themselves, even on foreign servers
        temperature=choice.temperature,
        # As max_tokens, not the newer max_completion_tokens: Ollama ignores that one and Mistral refuses it.
        extra_body={"max_tokens": choice.max_tokens} if choice.max_tokens and url else None,
        max_completion_tokens=choice.max_tokens if not url else None,
    )


def _from_provider(name: str, choice: ModelChoice, environ: Mapping[str, str]) -> BaseChatModel:
    chat_models = import_module("langchain.chat_models")  # an optional package
    settings = {"temperature": choice.temperature, "max_tokens": choice.max_tokens}
    try:
        model: BaseChatModel = chat_models.init_chat_model(
            name,
            timeout=_seconds(environ, "MODEL_TIMEOUT", DEFAULT_TIMEOUT),
            **{key: value for key, value in settings.items() if value is not None},
        )
    except (ImportError, ValueError) as error:
        raise ModelUnavailableError(f"MODEL={name} cannot be used: {error}") from error
    return model


def _seconds(environ: Mapping[str, str], variable: str, default: float) -> float:
    text = environ.get(variable) or str(default)
    try:
        return float(text)
    except ValueError:
        raise ModelUnavailableError(f"{variable} must be a number of seconds, not {text!r}") from None
