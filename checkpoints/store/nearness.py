"""How near items are to a query: the cosine of the angle between embeddings, of an item's nearest one.

Every vector of the candidates is looked at, a page at a time: exact, no index to keep, and memory stays flat. NumPy is
loaded on first use, for it takes a while, and only who has an index needs it. (This module is not: by then the served
project's modules may have taken our names.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vectors: TypeAlias = "NDArray[np.float32]"


def of_length_one(embeddings: Sequence[Sequence[float]]) -> Vectors:
    """The embeddings as rows of length 1; a row of zeros stays one, and is near to nothing."""
    import numpy as np  # noqa: PLC0415

    rows = np.asarray(embeddings, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, np.where(lengths == 0, np.float32(1), lengths), dtype=np.float32)


def scores(query: Vectors, pages: Iterable[Sequence[tuple[int, bytes]]]) -> dict[int, float]:
    """The score of each item, by its id, from pages of (id, its vectors' bytes)."""
    import numpy as np  # noqa: PLC0415

    found: dict[int, float] = {}
    row_bytes = query.nbytes
    for page in pages:
        if not page:
            continue
        near = np.frombuffer(b"".join(data for _, data in page), dtype=np.float32).reshape(-1, query.size) @ query
        starts = np.cumsum([0, *(len(data) // row_bytes for _, data in page[:-1])])
        found.update(zip((row_id for row_id, _ in page), np.maximum.reduceat(near, starts).tolist(), strict=True))
    return found
