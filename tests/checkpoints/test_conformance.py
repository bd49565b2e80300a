"""The published conformance suite, whole, with no capability left out."""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

from langgraph.checkpoint.conformance import checkpointer_test, validate

from checkpoints.saver import SegmentSaver
from tests.checkpoints.conftest import opened


@checkpointer_test(name="SegmentSaver")
async def fresh() -> AsyncIterator[SegmentSaver]:
    with TemporaryDirectory() as folder:
        async with opened(Path(folder) / "checkpoints.db") as saver:
            yield saver


async def test_all_81_tests_of_the_suite_pass() -> None:
    report = await validate(fresh)
    results = report.to_dict()["results"].values()
    assert [failure for result in results for failure in result.get("failures", [])] == []
    assert sum(result["tests_passed"] for result in results) == 81
    assert report.passed_all()
