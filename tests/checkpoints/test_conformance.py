"""The published conformance suite, whole, with no capability left out."""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.initializer import RegisteredCheckpointer

from checkpoints.postgres import PostgresState
from checkpoints.postgres.saver import PostgresSaver
from checkpoints.saver import SegmentSaver
from tests.checkpoints.conftest import opened
from tests.postgres import fresh_database


@checkpointer_test(name="SegmentSaver")
async def fresh() -> AsyncIterator[SegmentSaver]:
    with TemporaryDirectory() as folder:
        async with opened(Path(folder) / "checkpoints.db") as saver:
            yield saver


@checkpointer_test(name="PostgresSaver")
async def fresh_on_postgres() -> AsyncIterator[PostgresSaver]:
    with fresh_database() as uri:
        async with PostgresState(uri).open_checkpointer() as saver:
            yield saver


@pytest.mark.parametrize("saver", [fresh, fresh_on_postgres], ids=lambda one: one.name)
async def test_all_81_tests_of_the_suite_pass(saver: RegisteredCheckpointer) -> None:
    report = await validate(saver)
    results = report.to_dict()["results"].values()
    assert [failure for result in results for failure in result.get("failures", [])] == []
    assert sum(result["tests_passed"] for result in results) == 81
    assert report.passed_all()
