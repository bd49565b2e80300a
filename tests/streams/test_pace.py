"""How a long answer is paced: against a client who takes it piece by piece, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from threadkeep.streams.pace import _PIECE, Pace

HEARTBEAT = b"\n"
PATIENCE = 1.5
LONG = bytes(range(256)) * (8 * _PIECE // 256) + b"rest"


class Client:
    """What the server's `send` meets: it holds each piece back for so long, once."""

    def __init__(self, *pauses: float) -> None:
        self.pauses = list(pauses)
        self.taken: list[bytes] = []
        self.ends: list[bool] = []

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self.pauses:
            await asyncio.sleep(self.pauses.pop(0))
        self.taken.append(message["body"])
        self.ends.append(not message["more_body"])


async def paced(client: Client, *chunks: bytes, every: float, silence: float = 0.0) -> bool:
    """Send it all; whether patience ran out."""

    async def pump() -> None:
        for chunk in chunks:
            await asyncio.sleep(silence)
            await pace.send(chunk)
        await pace.send(b"", last=True)

    task = asyncio.create_task(pump())
    pace = Pace(client.send, task, HEARTBEAT, every=every, patience=PATIENCE)
    async with asyncio.timeout(30):
        await asyncio.wait({task})
    pace.stop()
    assert task.cancelled() == pace.ran_out
    return pace.ran_out


async def test_a_client_who_takes_a_long_chunk_slowly_gets_it_whole() -> None:
    """Each piece in time, all of them together far past the patience there is."""
    client = Client(*[PATIENCE / 7] * 9)
    assert not await paced(client, LONG, every=PATIENCE / 14)
    assert b"".join(client.taken) == LONG
    assert client.ends == [False] * (len(client.taken) - 1) + [True]


@pytest.mark.parametrize("pieces", [0, 3])
async def test_a_client_who_takes_nothing_more_is_cut_also_in_the_middle_of_a_chunk(pieces: int) -> None:
    client = Client(*[0.0] * pieces, 30)
    assert await paced(client, LONG, every=PATIENCE)
    assert client.taken == [LONG[start * _PIECE : (start + 1) * _PIECE] for start in range(pieces)]


async def test_a_heartbeat_on_its_way_is_over_before_the_next_chunk_and_never_inside_one() -> None:
    """The heartbeat is held back; the chunk comes meanwhile."""
    client = Client(PATIENCE / 7)
    assert not await paced(client, LONG, every=0.01, silence=0.05)
    assert (client.taken[0], b"".join(client.taken[1:])) == (HEARTBEAT, LONG)


async def test_a_client_who_does_not_even_take_a_heartbeat_is_cut() -> None:
    client = Client(30)
    assert await paced(client, LONG, every=0.01, silence=5)
    assert client.taken == []
