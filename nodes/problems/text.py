"""Any question in words: a state is the chain of thoughts itself, and only the model can judge it."""

import json
from collections.abc import Sequence

from nodes import prompts
from nodes.problems.problem import Problem


class TextProblem(Problem):
    """Free text. Every message is one, so it stands last among the adapters."""

    name = "text"
    propose_prompt = prompts.PROPOSE
    value_prompt = prompts.VALUE
    wants_conversation = True

    def read(self, message: str) -> str | None:
        return message.strip() or None

    def follow(self, state: str, thought: str) -> str | None:
        return f"{state}\n{thought.strip()}" if thought.strip() else None

    def shown(self, root: str, path: Sequence[str], state: str) -> str:
        return json.dumps({"problem": root, "thoughts": list(path)}, ensure_ascii=False)
