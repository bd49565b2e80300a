"""What calls cost: by the operator's prices, by the list, or unknown."""

from __future__ import annotations

import pytest

from threadkeep.errors import StartupError
from threadkeep.runs.prices import ModelCall, Prices, own_prices

USED = {"input_tokens": 1_000_000, "output_tokens": 100_000, "total_tokens": 1_100_000}


async def test_a_model_on_the_list_is_priced_and_what_was_cached_is_cheaper() -> None:
    cached = {**USED, "input_token_details": {"cache_read": 900_000}}
    calls = [ModelCall("openai", "gpt-5-mini", USED), ModelCall("openai", "gpt-5-mini", cached)]
    [whole, with_cache] = await Prices({}).of(calls)
    assert whole is not None
    assert with_cache is not None
    assert 0 < with_cache < whole


async def test_own_prices_go_before_the_list() -> None:
    own = own_prices('{"gpt-5-mini": {"input": 1, "output": 10}}')
    assert await Prices(own).of([ModelCall("openai", "gpt-5-mini", USED)]) == [2.0]


@pytest.mark.parametrize(
    "call",
    [
        ModelCall("openai", "qwen3-on-my-desk", USED),
        ModelCall(None, "gpt-5-mini", USED),
        ModelCall("nobody-has-heard-of", "gpt-5-mini", USED),
        ModelCall("openai", "gpt-5-mini", None),
        ModelCall("openai", "gpt-5-mini", {"input_tokens": -5, "output_tokens": 1}),
    ],
)
async def test_what_is_not_known_has_no_price(call: ModelCall) -> None:
    assert await Prices({}).of([call]) == [None]


@pytest.mark.parametrize("text", ["{", "[]", '{"m": 3}', '{"m": {"input": 1}}', '{"m": {"input": -1, "output": 1}}'])
def test_prices_that_make_no_sense_are_refused_in_words(text: str) -> None:
    with pytest.raises(StartupError, match="MODEL_PRICES must be JSON like"):
        own_prices(text)
