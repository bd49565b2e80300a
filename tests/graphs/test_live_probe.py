"""The probe of a real endpoint, tried on the tests' own."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from bench.live import CHECKS, probe
from nodes.offline import reply
from tests.graphs.conftest import models_of
from tests.model_server.server import ModelServer


def able(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
    """The offline model, and what the probe asks besides."""
    if schema and schema["name"] == "capital":
        return AIMessage('{"city": "Paris"}')
    return reply(messages, tools, schema)


async def test_the_probe_finds_nothing_wrong_with_an_able_endpoint(server: ModelServer) -> None:
    server.brain = able
    assert await probe(models_of(server)) == dict.fromkeys(CHECKS)


async def test_the_probe_names_what_an_endpoint_cannot_do(server: ModelServer) -> None:
    server.brain = lambda messages, tools, schema: able(messages, [], schema and {**schema, "schema": {}})
    found = await probe(models_of(server))
    assert found["plain call"] is None
    assert found["tool call"] == "AssertionError: no tool was called"
    assert "the answer was" in (found["react"] or "")
