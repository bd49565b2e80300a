"""Where thread state and the store live when a team shares them: a PostgreSQL database, for any number of servers.

`opening.py` opens both. Of the checkpointer, `saver.py` is where to start reading,
`removal.py` deletes and copies, `rows.py` and `schema.py` say what stands in the tables; of the store, `items.py`, with
`item_table.py` as its SQL. `moving.py` and `moving_items.py` bring a data folder over, and `comparing.py` says what
differs after it. `pool.py` has the connections and their errors.
"""

from checkpoints.postgres.moving import move_threads
from checkpoints.postgres.moving_items import move_items
from checkpoints.postgres.opening import PostgresState

__all__ = ["PostgresState", "move_items", "move_threads"]
