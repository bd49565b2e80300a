"""The process around the application: the command line, the socket, the banner, signals, restarts on change.

A first SIGTERM or SIGINT drains: no new runs, those under way stop at a super-step border and wait in the queue, open
streams are cut so that clients come back, and the process ends with 0. A second one ends it at once, which is safe too.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from threadkeep import __version__
from threadkeep.connections import PatientProtocol, open_door
from threadkeep.errors import StartupError
from threadkeep.event_loop import run_loop
from threadkeep.heap import settle_heap
from threadkeep.logs import configure_logs
from threadkeep.masking import mask_for
from threadkeep.reload import SourceReload
from threadkeep.settings import SETTINGS, Settings, read_settings

_CLOSE_SECONDS = 3
_INTERRUPTED = 130


class DrainingServer(uvicorn.Server):
    """uvicorn, but the engine is drained before the sockets close, and a stop that was asked for is no failure.

    It opens the application's lifespan itself: uvicorn's way turns a start that is refused into a traceback.
    """

    banner: Callable[[str], str] | None = None

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._opened = AsyncExitStack()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        run_loop(self.serve(sockets=sockets), self.config.get_loop_factory())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            os._exit(_INTERRUPTED)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in sockets or ():
            _keep_from_children(listening)
        app = self.config.loaded_app
        await self._opened.enter_async_context(app.router.lifespan_context(app))
        await super().startup(sockets=sockets)
        settle_heap()
        if self.banner is not None and sockets:
            sys.stdout.write(self.banner(_address(sockets[0])))
            sys.stdout.flush()

    async def main_loop(self) -> None:
        await super().main_loop()
        await self.config.loaded_app.state.engine.drain()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets=sockets)
        await self._opened.aclose()


def parse_arguments(arguments: Sequence[str] | None = None, *, commands: Sequence[str] = ()) -> argparse.Namespace:
    """What the command line asks of a server; `commands` are named in the help as what else there is."""
    parser = argparse.ArgumentParser(
        prog="python server.py",
        description=f"Threadkeep {__version__}: a LangGraph agent server in one process and one data folder.\n"
        f"Care of a data folder: python server.py {'|'.join(commands)} --help",
        epilog=_settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", help="address to listen on (HOST; 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (PORT; 8123); 0 takes a free one")
    parser.add_argument(
        "--data", type=Path, dest="data_dir", metavar="FOLDER", help="the data folder (DATA_DIR; ./data)"
    )
    parser.add_argument(
        "--config", type=Path, dest="config_path", metavar="FILE", help="langgraph.json (LANGGRAPH_CONFIG)"
    )
    parser.add_argument("--model", help="what answers: openai:<name>, <provider>:<name>, or offline (MODEL)")
    parser.add_argument(
        "--no-studio", action="store_true", help="do not let LangGraph Studio's web origin in (STUDIO=0)"
    )
    parser.add_argument("--reload", action="store_true", help="restart when a source file changes; threads are kept")
    parser.add_argument(
        "--offline-without-key", action="store_true", help="take the offline model when neither a key nor MODEL is set"
    )
    parser.add_argument("--version", action="version", version=f"Threadkeep {__version__}")
    return parser.parse_args(arguments)


def settings_from(parsed: argparse.Namespace) -> Settings:
    """The settings of this start, also put into the environment, where graphs and restarted processes find them."""
    if parsed.model:
        os.environ["MODEL"] = parsed.model
    if parsed.offline_without_key and not os.environ.get("MODEL") and not os.environ.get("OPENAI_API_KEY"):
        os.environ["MODEL"] = "offline"
    settings = read_settings(
        host=parsed.host,
        port=parsed.port,
        data_dir=parsed.data_dir,
        config_path=parsed.config_path,
        studio=False if parsed.no_studio else None,
    ).validate()
    settings = replace(settings, data_dir=settings.data_dir.resolve(), config_path=settings.config_path.resolve())
    os.environ["DATA_DIR"] = str(settings.data_dir)
    os.environ["LANGGRAPH_CONFIG"] = str(settings.config_path)
    os.environ["STUDIO"] = "1" if settings.studio else "0"
    return settings


def log_as_set(settings: Settings) -> None:
    """In each process that serves: what it logs is masked, and looks, as the settings and the environment say."""
    configure_logs(log_format=settings.log_format, level=settings.log_level, mask=mask_for(os.environ))


def serve(settings: Settings, app: Any, *, banner: Callable[[str], str], reload_folders: Sequence[Path] = ()) -> None:
    """Listen until told to stop. `app` is the application, or with `reload_folders` its factory as an import string."""
    log_as_set(settings)
    listening = _bind(settings)
    config = uvicorn.Config(
        app,
        factory=bool(reload_folders),
        reload=bool(reload_folders),
        reload_dirs=[str(folder) for folder in reload_folders] or None,
        reload_delay=0.5,
        lifespan="off",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        http=partial(PatientProtocol, open_door(settings.receive_timeout_seconds)),  # type: ignore[arg-type]
        timeout_graceful_shutdown=_CLOSE_SECONDS,
        timeout_keep_alive=65,
        backlog=2048,
        ws="websockets-sansio",
        ws_max_size=settings.max_body_bytes,
        ws_per_message_deflate=False,
    )
    server = DrainingServer(config)
    if reload_folders:
        sys.stdout.write(banner(_address(listening)))
        sys.stdout.flush()
        SourceReload(config, target=server.run, sockets=[listening]).run()
        return
    server.banner = banner
    server.run(sockets=[listening])


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise StartupError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Stop what listens there, or choose another port with --port."
        ) from None
    return listening


def _keep_from_children(listening: socket.socket) -> None:
    """A tool's child processes do not hold the port: one that outlives this process would keep the next from it."""
    listening.set_inheritable(False)  # a restart on change passes it on as inheritable
    os.register_at_fork(after_in_child=lambda: _drop(listening))


def _drop(listening: socket.socket) -> None:
    if (descriptor := listening.detach()) >= 0:
        os.close(descriptor)  # `close` of the socket would wait until the loop, which this child has not, lets go of it


def _address(listening: socket.socket) -> str:
    """An address that works from this machine, also when the socket listens on every one of its addresses."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _settings_help() -> str:
    width = max(len(doc.env) for doc in SETTINGS)
    lines = [f"  {doc.env:<{width}}  {doc.help}" for doc in SETTINGS]
    return "\n".join(["environment variables (a .env file is read too; an option wins over a variable):", *lines])
