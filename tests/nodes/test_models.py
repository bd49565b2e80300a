import subprocess
import sys

import pytest

from nodes.models import ModelChoice, ModelNotConfiguredError, ModelUnavailableError, chat_model, describe_model
from nodes.providers import missing


def test_with_neither_key_nor_model_both_remedies_are_named() -> None:
    with pytest.raises(ModelNotConfiguredError, match=r"MODEL=offline.*OPENAI_API_KEY"):
        describe_model(environ={})


@pytest.mark.parametrize("graph", ["react", "plan_execute", "tree_of_thought"])
def test_a_graph_refuses_to_load_when_no_model_is_configured(graph: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import graphs.{graph}"], env={"PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "MODEL=offline" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("model", "environ", "name"),
    [
        (None, {"MODEL": "offline"}, "offline"),
        (None, {"OPENAI_API_KEY": "k"}, "openai:gpt-5-mini"),
        (None, {"OPENAI_API_KEY": "k", "MODEL": "openai:other"}, "openai:other"),
        ("openai:of-the-run", {"MODEL": "offline"}, "openai:of-the-run"),
    ],
)
def test_the_run_names_the_model_before_the_environment_does(model: str | None, environ: dict, name: str) -> None:
    assert describe_model(model, environ) == name


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"MODEL": "gpt-5"}, "'offline' or '<provider>:<name>'"),
        ({"MODEL": "openai:gpt-5"}, "OPENAI_API_KEY"),
        ({"MODEL": "nosuch:model"}, "nosuch"),
        ({"MODEL": "offline", "OFFLINE_TOKEN_DELAY": "slow"}, "OFFLINE_TOKEN_DELAY must be a number"),
    ],
)
def test_a_model_that_cannot_be_used_says_what_is_missing(environ: dict, says: str) -> None:
    with pytest.raises(ModelUnavailableError, match=says):
        chat_model(environ=environ)


def test_an_openai_model_has_a_timeout_and_asks_no_other_address_than_the_one_named() -> None:
    environ = {"MODEL": "openai:gpt-6-pro", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    model = chat_model(ModelChoice(temperature=0.5, max_tokens=7), environ)
    assert model.request_timeout == 60
    assert model.openai_api_base == "http://127.0.0.1:9/v1"
    assert model.use_responses_api is False
    assert model.temperature == 0.5
    assert model.extra_body == {"max_tokens": 7}


def test_a_provider_whose_package_is_installed_is_taken_and_any_without_langchain_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert missing("azure_openai") is None
    monkeypatch.setattr("nodes.providers.find_spec", lambda name: None)
    assert missing("groq") == "the packages 'langchain' and 'langchain-groq': pip install langchain langchain-groq"
