"""Every graph test runs twice: with the offline model in the process, and with it behind HTTP through ChatOpenAI."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("MODEL", "offline")  # the graphs refuse to load with neither key nor MODEL

from nodes.models import ChatModels, chat_model
from tests.model_server.server import ModelServer, model_server


def models_of(server: ModelServer) -> ChatModels:
    """Models that ask `server`, whatever a run chooses."""
    environ = {"MODEL": "openai:tested", "OPENAI_BASE_URL": server.base_url, "MODEL_TIMEOUT": "10"}
    return lambda choice: chat_model(choice, environ)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture(params=["in process", "over HTTP"])
def models(request: pytest.FixtureRequest) -> ChatModels:
    if request.param == "over HTTP":
        return models_of(request.getfixturevalue("server"))
    return lambda choice: chat_model(choice, {"MODEL": "offline"})
