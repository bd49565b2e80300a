"""The checkpointer of a data folder: our saver on `checkpoints.db`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from langgraph.checkpoint.serde.base import SerializerProtocol

from checkpoints.file import open_file
from checkpoints.import_stock import OUR_FILE, unimported
from checkpoints.ownership import resolve_data_dir
from checkpoints.saver import SegmentSaver

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_checkpointer(
    data_dir: Path | None = None, *, serde: SerializerProtocol | None = None
) -> AsyncIterator[SegmentSaver]:
    """The saver that stores what each super-step added; None reads the environment's DATA_DIR, else ./data.

    `serde` says which types come back from the file as themselves; without it only LangGraph's own safe ones do.

    One opener at a time: FileInUseError for the next. Threads in a file of LangGraph's own saver are not read, and it
    says so.
    """
    folder = resolve_data_dir(data_dir)
    if (stock := unimported(folder)) is not None:
        logger.warning(
            "%s holds threads of LangGraph's own saver, which are not shown. Bring them over with "
            "`python server.py import`, or keep that saver: "
            '"checkpointer": {"path": "./checkpoints/stock.py:open_checkpointer"} in langgraph.json.',
            stock,
        )
    async with open_file(folder / OUR_FILE) as file:
        yield SegmentSaver(file, serde=serde)
