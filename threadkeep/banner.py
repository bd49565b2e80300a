"""What a person who starts the server sees first: where it is, what it serves, which model answers, what to try."""

from __future__ import annotations

from collections.abc import Callable

from threadkeep import __version__
from threadkeep.config import Config
from threadkeep.settings import Settings
from threadkeep.web import PAGE

STUDIO = "https://smith.langchain.com"
_OFFLINE_WARNING = """
  ****************************************************************************
  *  NO REAL MODEL ANSWERS HERE: this is the built-in offline one.           *
  *  It follows rules and knows nothing. For a real one set OPENAI_API_KEY,  *
  *  or MODEL=openai:<name> and OPENAI_BASE_URL (Ollama, vLLM, llama.cpp).   *
  ****************************************************************************
"""


def banner(settings: Settings, config: Config, model: str | None) -> Callable[[str], str]:
    """The words for an address, known only once the server listens; `model` None when the graphs are not ours."""

    def words(address: str) -> str:
        base = address + config.http.mount_prefix
        docs = "" if "meta" in config.http.disabled else f"  (API docs at {base}/docs)"
        lines = [
            "",
            f"  Threadkeep {__version__}",
            f"  Address   {base}{docs}",
            *([] if "ui" in config.http.disabled else [f"  Inspector {base}{PAGE}"]),
            *([f"  Studio    {STUDIO}/studio/?baseUrl={base}"] if _lets_studio_in(settings, config) else []),
            f"  Graphs    {', '.join(config.graphs)}",
            *([f"  Model     {model}"] if model else []),
            f"  Data      {_data(settings)}",
        ]
        if model == "offline":
            lines.append(_OFFLINE_WARNING.rstrip())
        lines += ["", "  Try:", *(f"    {command}" for command in _commands(base, settings, config)), "", ""]
        return "\n".join(lines)

    return words


def _lets_studio_in(settings: Settings, config: Config) -> bool:
    if config.cors is not None:
        return bool({STUDIO, "*"} & set(config.cors.get("allow_origins") or ()))
    return settings.on_loopback and settings.studio


def _data(settings: Settings) -> str:
    if not settings.database_uri:
        return str(settings.data_dir)
    from threadkeep.storage.postgres import without_password  # noqa: PLC0415 - a data folder needs no driver

    return without_password(settings.database_uri)


def _commands(address: str, settings: Settings, config: Config) -> list[str]:
    first = next(iter(config.graphs))
    graph = "tree_of_thought" if "tree_of_thought" in config.graphs else first
    puzzle = "4 9 10 13" if graph == "tree_of_thought" else "hello again"
    curl = 'curl -s -H "x-api-key: $KEY"' if settings.api_keys else "curl -s"
    post = f"{curl} {address}/chat -H 'content-type: application/json' -d"
    return [
        f"""{post} '{{"message": "what is 17.5% of 2,340?", "user_id": "ada"}}'""",
        f"""{post} '{{"message": "{puzzle}", "graph": "{graph}"}}'""",
        f"{curl} {address}/users/ada/threads",
    ]
