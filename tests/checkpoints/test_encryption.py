"""An encrypting serializer: everything but ids is unreadable in the file, and reads the same through the saver."""

from pathlib import Path

import psycopg
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from checkpoints.file import open_file
from checkpoints.postgres import PostgresState
from checkpoints.saver import SegmentSaver
from tests.checkpoints.program import build
from tests.checkpoints.reference import configured


class Rotated:
    """Stands for a cipher: it only has to make bytes unreadable, and back."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "rotated", bytes(byte ^ 0x55 for byte in plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return bytes(byte ^ 0x55 for byte in ciphertext)


async def test_values_writes_and_metadata_are_encrypted_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.db"
    serde = EncryptedSerializer(Rotated(), JsonPlusSerializer(allowed_msgpack_modules=None))
    config = configured("t") | {"metadata": {"purpose": "confidential"}}
    for turn in range(3):
        async with open_file(path) as file:
            graph = build(SegmentSaver(file, serde=serde))
            await graph.ainvoke({"script": [["say", 1 + turn], ["note", 3]]}, config)
            state = await graph.aget_state(configured("t"))
            assert [one.id for one in state.values["messages"]][-1] == f"m{1 + turn}"
            assert state.metadata["purpose"] == "confidential"
    stored = path.read_bytes()
    for secret in (b"text 1", b"long long", b"confidential", b"messages"):
        assert secret not in stored


async def test_values_and_writes_are_encrypted_in_postgres(postgres_uri: str) -> None:
    serde = EncryptedSerializer(Rotated(), JsonPlusSerializer(allowed_msgpack_modules=None))
    async with PostgresState(postgres_uri).open_checkpointer(serde=serde) as saver:
        graph = build(saver)
        await graph.ainvoke({"script": [["say", 1], ["note", 2], ["ask", 3]]}, configured("t"))
        state = await graph.aget_state(configured("t"))
        assert state.values["note"] == "short"
        assert [one.value for one in state.interrupts] == ["question 3"]
    with psycopg.connect(postgres_uri) as connection:
        stored = [
            connection.execute(f"SELECT to_jsonb(one)::text FROM {table} one").fetchall()
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
        ]
    assert all(stored)
    for secret in ("short", "text 1", "question", b"short".hex(), b"text 1".hex(), b"question".hex()):
        assert secret not in str(stored)
