"""Where thread state lives: the checkpointer and the long-term store, both in one data folder.

`open_checkpointer` and `open_store` are the two names to plug into a graph, a server or `langgraph.json`;
`import_stock` brings over a file of LangGraph's own saver, `reindex` embeds the store's items anew. Everything else in
this package is how they keep their promises; `saver.py` and `store/` are where to start reading. Nothing here knows a
graph or the Agent Server API.
"""

from checkpoints.default import open_checkpointer
from checkpoints.import_stock import import_stock
from checkpoints.store import open_store, reindex

__all__ = ["open_checkpointer", "open_store", "import_stock", "reindex"]
