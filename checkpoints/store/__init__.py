"""The long-term store: items by namespace and key, for every thread of every graph to share, on `items.db`.

`opening.py` opens it, `items.py` is LangGraph's contract (where to start reading), `table.py` the SQL, `connections.py`
the threads it runs on, `filters.py` and `namespaces.py` what matches, `index.py` and `nearness.py` search by meaning.
"""

from checkpoints.store.items import ItemStore
from checkpoints.store.opening import open_store
from checkpoints.store.reindex import reindex

__all__ = ["open_store", "ItemStore", "reindex"]
