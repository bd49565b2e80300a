"""What was recorded over HTTP is answered again without any server."""

from pathlib import Path

import pytest

from graphs.plan_execute import build as plan_execute
from graphs.react import build as react
from graphs.tree_of_thought import build as tree_of_thought
from nodes.cassette import CassetteMissError
from nodes.models import EnvironmentModels, ModelChoice, ModelUnavailableError
from tests.graphs.asking import asked
from tests.model_server.server import ModelServer

TASKS = [(react, "what is 17.5% of 2,340?"), (plan_execute, "add 12 and 30"), (tree_of_thought, "4 9 10 13")]


async def answers(models: EnvironmentModels) -> list[tuple[str, int, int]]:
    given = []
    for build, question in TASKS:
        context = {"samples": 2, "beam": 1} if build is tree_of_thought else {}
        state = await build(models).ainvoke(asked(question), context=context)
        given.append((state["messages"][-1].text, state["spent"]["model_calls"], state["spent"]["output_tokens"]))
    return given


async def test_a_recorded_run_is_replayed_the_same_and_anything_else_is_an_error(
    server: ModelServer, tmp_path: Path
) -> None:
    tape = tmp_path / "tape.jsonl"
    recording = {"MODEL": "record:openai:tested", "OPENAI_BASE_URL": server.base_url, "CASSETTE": str(tape)}
    first = await answers(EnvironmentModels(recording))
    asked_for = len(server.requests)
    assert len(tape.read_text().splitlines()) == asked_for
    replaying = {"MODEL": f"replay:{tape}"}
    assert await answers(EnvironmentModels(replaying)) == first
    assert len(server.requests) == asked_for
    with pytest.raises(CassetteMissError, match="something new"):
        await react(EnvironmentModels(replaying)).ainvoke(asked("something new"))


async def test_a_replay_streams_what_was_recorded_while_streaming(server: ModelServer, tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    recording = {"MODEL": "record:openai:tested", "OPENAI_BASE_URL": server.base_url, "CASSETTE": str(tape)}
    streams = []
    for environ in (recording, {"MODEL": f"replay:{tape}"}):
        graph = react(EnvironmentModels(environ))
        chunks = [chunk async for chunk in graph.astream(asked("what is 2 + 3?"), stream_mode="messages")]
        streams.append("".join(message.text for message, _ in chunks))
    assert streams[0] == streams[1] == "52 + 3 = 5"


@pytest.mark.parametrize("model", ["replay:secrets.jsonl", "record:offline"])
def test_a_run_cannot_name_a_file(model: str) -> None:
    with pytest.raises(ModelUnavailableError, match="only MODEL can name a file"):
        EnvironmentModels({"MODEL": "offline"})(ModelChoice(model))
