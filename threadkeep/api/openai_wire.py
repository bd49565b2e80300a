"""The wire form of OpenAI's chat completions, in so far as a graph can mean it."""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.messages import convert_to_messages
from pydantic import Field, field_validator

from threadkeep import json
from threadkeep.api.answers import text_of
from threadkeep.api.schemas import Body, Object, example
from threadkeep.runs.run import Run

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


class StreamOptions(Body):
    include_usage: bool | None = None


class ChatCompletion(Body):
    """How an answer is sampled is the graph's business: `temperature`, `max_tokens` and the like are passed over."""

    model: str = Field(description="The name of a graph, or an assistant's id", max_length=200)
    messages: list[Object] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, min_length=1, max_length=200, description="Goes on with this user's current thread")
    n: Literal[1] | None = Field(None, description="A graph gives one answer")
    tools: list[Object] | None = Field(None, max_length=0, description="A graph has tools of its own")
    functions: list[Object] | None = Field(None, max_length=0)

    model_config = example(
        {"model": "react", "messages": [{"role": "user", "content": "what is 17.5% of 2,340?"}], "stream": False}
    )

    @field_validator("messages")
    @classmethod
    def _are_messages(cls, messages: list[Object]) -> list[Object]:
        for message in messages:
            if message.get("role") not in _ROLES:
                raise ValueError(f"each needs a role, one of {', '.join(_ROLES)}")
            if message.get("content") is None and message["role"] != "assistant":
                raise ValueError(f"one of role {message['role']} has no content")
        try:
            convert_to_messages([{**message, "content": message.get("content") or ""} for message in messages])
        except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
            raise ValueError(f"cannot be understood: {str(error)[:200]}") from None
        return messages

    def new_messages(self) -> list[Object]:
        """What a thread that knows the conversation so far has not been told: all after the last answer.

        Clients send the whole conversation each time; the instructions at its begin were the thread's first messages.
        """
        answered = [place for place, message in enumerate(self.messages) if message["role"] == "assistant"]
        later = self.messages[answered[-1] + 1 :] if answered else self.messages
        return [message for message in later if message["role"] not in ("system", "developer")]


def completion(run: Run, model: str, created: int, text: str | None, usage: Object) -> Object:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {**_head(run, model, created, "chat.completion"), "choices": [choice], "usage": usage_wire(usage)}


def usage_wire(usage: Object) -> Object:
    return {
        "prompt_tokens": usage.get("input_tokens", 0),
        "completion_tokens": usage.get("output_tokens", 0),
        "total_tokens": usage.get("total_tokens", 0),
    }


def error_wire(message: str, status: int) -> Object:
    """An error as OpenAI's clients read it."""
    kind = "not_found_error" if status == 404 else "invalid_request_error" if status < 500 else "server_error"
    code = "model_not_found" if status == 404 else None
    return {"message": message, "type": kind, "param": None, "code": code}


def model_wire(model: str, created: int, name: str, description: str | None) -> Object:
    return {
        "id": model,
        "object": "model",
        "created": created,
        "owned_by": "threadkeep",
        "name": name,
        "description": description,
    }


class Chunks:
    """The frames of one streamed completion: its text as it comes, ending with the answer, then `[DONE]`."""

    def __init__(self, run: Run, model: str, created: int) -> None:
        self._head = _head(run, model, created, "chat.completion.chunk")
        self._last_message: str | None = None
        self._said = ""
        """The text of the message that is being told."""

    def begin(self) -> bytes:
        return self._delta({"role": "assistant", "content": ""})

    def of(self, message: Object) -> bytes:
        """A piece of a message, or a whole one; a later message is set off from the one before it."""
        text = text_of(message["content"]) if message["type"] in ("AIMessageChunk", "ai") else ""
        if not text:
            return b""
        parted = "\n\n" if self._last_message not in (None, message["id"]) else ""
        self._said = text if message["id"] != self._last_message else self._said + text
        self._last_message = message["id"]
        return self._delta({"content": parted + text})

    def end(self, answer: str | None, usage: Object | None) -> bytes:
        """With the answer, if the last message told is not that."""
        late = b""
        if answer and answer != self._said:
            late = self._delta({"content": f"\n\n{answer}" if self._last_message is not None else answer})
        frames = late + self._delta({}, "stop")
        if usage is not None:
            frames += frame({**self._head, "choices": [], "usage": usage_wire(usage)})
        return frames + b"data: [DONE]\n\n"

    def _delta(self, delta: Object, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return frame({**self._head, "choices": [choice]})


def frame(data: Any) -> bytes:
    return b"data: " + json.dumps(data) + b"\n\n"


def _head(run: Run, model: str, created: int, kind: str) -> Object:
    return {"id": f"chatcmpl-{run.run_id}", "object": kind, "created": created, "model": model}
