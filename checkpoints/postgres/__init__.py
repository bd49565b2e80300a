"""Where thread state lives when a team shares it: a PostgreSQL database, for any number of servers at once.

Needs the extra `postgres`. `opening.py` opens it, `saver.py` is where to start reading, `removal.py` what deletes and
copies, `rows.py` and `schema.py` what stands in the tables, `pool.py` the connections and their errors.
"""

from checkpoints.postgres.opening import PostgresState

__all__ = ["PostgresState"]
