"""What a call of a model cost, in US dollars: by the operator's own prices, else by the list of `genai-prices`.

A price that is not known is None and never 0: a wrong sum is worse than none. The list is part of the package; nothing
is fetched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from threadkeep import json
from threadkeep.errors import StartupError

_MILLION = 1_000_000
_LISTED = {
    "anthropic": "anthropic", "amazon_bedrock": "aws", "azure": "azure", "azure_openai": "azure", "cohere": "cohere",
    "deepseek": "deepseek", "fireworks": "fireworks", "google_genai": "google", "google_vertexai": "google",
    "groq": "groq", "mistral": "mistral", "mistralai": "mistral", "openai": "openai", "openrouter": "openrouter",
    "perplexity": "perplexity", "together": "together", "xai": "x-ai",
}  # fmt: skip
"""LangChain's names of providers, and the list's. Of any other, no price is known and the list need not be loaded."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    provider: str | None
    model: str
    usage: Mapping[str, Any] | None
    """LangChain's `usage_metadata`; None when the model reported nothing."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    input: float
    output: float


def own_prices(text: str) -> dict[str, Price]:
    """What MODEL_PRICES says: `{"my-model": {"input": 0.5, "output": 1.5}}`. Raises `StartupError`."""
    try:
        given = json.loads(text or "{}")
        prices = {str(model): Price(float(one["input"]), float(one["output"])) for model, one in given.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        prices = {"": Price(-1.0, -1.0)}
    if any(price.input < 0 or price.output < 0 for price in prices.values()):
        raise StartupError(
            'MODEL_PRICES must be JSON like {"my-model": {"input": 0.5, "output": 1.5}}, '
            "in US dollars for a million tokens."
        )
    return prices


class Prices:
    def __init__(self, own: Mapping[str, Price]) -> None:
        self._own = own
        self._unknown: set[tuple[str | None, str]] = set()

    async def of(self, calls: Sequence[ModelCall]) -> list[float | None]:
        """What each call cost. The list is loaded on a thread, by the first call of a model that may be on it."""
        if all(self._is_at_hand(call) for call in calls):
            return [self._price(call) for call in calls]
        return await asyncio.to_thread(lambda: [self._price(call) for call in calls])

    def _is_at_hand(self, call: ModelCall) -> bool:
        known = call.model in self._own or (call.provider, call.model) in self._unknown
        return call.usage is None or known or call.provider not in _LISTED

    def _price(self, call: ModelCall) -> float | None:
        if call.usage is None or (call.provider, call.model) in self._unknown:
            return None
        if (own := self._own.get(call.model)) is not None:
            return (_tokens(call, "input") * own.input + _tokens(call, "output") * own.output) / _MILLION
        try:
            return _listed(call)
        except LookupError:
            self._unknown.add((call.provider, call.model))
            return None
        except (ValueError, TypeError, ArithmeticError):  # numbers that make no sense, as some servers report them
            return None


def _tokens(call: ModelCall, kind: str) -> int:
    return int((call.usage or {}).get(f"{kind}_tokens") or 0)


def _listed(call: ModelCall) -> float:
    """By the list; `LookupError` when the model is not on it."""
    provider = _LISTED[call.provider or ""]
    calc_price, usage_type = _price_list()
    details = (call.usage or {}).get("input_token_details") or {}
    usage = usage_type(
        input_tokens=_tokens(call, "input"),
        output_tokens=_tokens(call, "output"),
        cache_read_tokens=details.get("cache_read"),
        cache_write_tokens=details.get("cache_creation"),
    )
    return float(calc_price(usage, call.model, provider_id=provider).total_price)


@cache
def _price_list() -> tuple[Any, Any]:
    from genai_prices import Usage, calc_price  # noqa: PLC0415 (half a second, which the offline model can do without)

    return calc_price, Usage
