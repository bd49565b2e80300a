"""Where a repeated attempt begins: what an earlier one left in the checkpointer decides, never a guess.

After a crash the run's row says that it has not ended; how far it came is read from the thread. A run whose newest
checkpoint is its own goes on from there with no input. One that had come to a stop (an interrupt, or a node named in
`interrupt_before` or `interrupt_after`) is over and only its ending is missing: going on would run past the stop.

A resume value needs more care. It is stored beside the interrupted checkpoint and LangGraph gives it to whichever
`interrupt()` asks next; if the first attempt answered one question and came to the next, the same command given again
would answer that one too. So the number of answers a thread held before the first attempt is kept in the run's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.types import Command, Send, StateSnapshot

from threadkeep.graphs import Graph, saver_of
from threadkeep.runs.run import Run
from threadkeep.state_reading import NO_RESULT, NOBODY

_RESUME = "__resume__"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run's thread has come, as kept in `runs.progress`."""

    checkpoint_id: str | None
    """The thread's newest checkpoint, if this run made it."""
    node_finished: bool
    """That checkpoint is more than the input: some node's work is in it."""
    answers: int
    """Resume values that interrupted tasks hold."""
    snapshot: StateSnapshot
    found: CheckpointTuple | None

    def __str__(self) -> str:
        return f"{self.checkpoint_id if self.node_finished else ''}/{self.answers}"


async def position_of(run: Run, graph: Graph) -> Position:
    saver = saver_of(graph)
    snapshot = await graph.aget_state({"configurable": {"thread_id": run.thread_id}}, subgraphs=True)
    own = snapshot.metadata is not None and snapshot.metadata.get("run_id") == run.run_id
    checkpoint_id = snapshot.config["configurable"].get("checkpoint_id") if own else None
    found = await saver.aget_tuple(snapshot.config)
    finished = checkpoint_id is not None and found is not None and not await _only_input(found, saver)
    return Position(checkpoint_id, finished, await _answers(snapshot, found, saver), snapshot, found)


def may_ask_again(run: Run) -> bool:
    """Whether a run's command carries an answer, so that its position has to be known before its first attempt."""
    return run.kwargs.command is not None and "resume" in run.kwargs.command


async def is_over(run: Run, position: Position, graph: Graph) -> bool:
    """Whether an earlier attempt had come to the stop that ends this run."""
    snapshot = position.snapshot
    if position.checkpoint_id is None:
        if run.progress is None:
            return False  # the first attempt did not come as far as giving its answer
        before = int(run.progress.rpartition("/")[2])
        return may_ask_again(run) and position.answers > before and _all_wait(position)
    if _all_wait(position):
        return True
    if _named(snapshot.next, run.kwargs.interrupt_before or graph.interrupt_before_nodes):
        return True
    after = run.kwargs.interrupt_after or graph.interrupt_after_nodes
    if not after or snapshot.parent_config is None or not snapshot.next:
        return False
    parent = await graph.aget_state(snapshot.parent_config)
    return _named(parent.next, after)


def _all_wait(position: Position) -> bool:
    """Whether every task of the thread's next super-step has asked something and got no further.

    An answered task keeps the question it once asked beside its results, so the results decide.
    """
    writes = [] if position.found is None else position.found.pending_writes or []
    done = {task_id for task_id, channel, _ in writes if channel not in NO_RESULT}
    tasks = position.snapshot.tasks
    return bool(tasks) and all(task.interrupts and task.id not in done for task in tasks)


def has_values_beside(found: CheckpointTuple | None, graph: Graph) -> bool:
    """Whether some of a stopped thread's values are not in its checkpoint: those of tasks that are done while others
    wait, and of a command that answered."""
    written = [] if found is None else found.pending_writes or []
    return any(channel in graph.stream_channels_list for _, channel, _ in written)


def _named(nodes: tuple[str, ...], names: Any) -> bool:
    return bool(nodes) and (names == "*" or any(node in names for node in nodes))


async def _only_input(found: CheckpointTuple, saver: BaseCheckpointSaver[Any]) -> bool:
    """Whether it is the checkpoint that took the run's input in, or the one after it, before any node ran."""
    if found.metadata.get("source") == "input":
        return True
    parent = None if found.parent_config is None else await saver.aget_tuple(found.parent_config)
    return parent is not None and parent.metadata.get("source") == "input"


async def _answers(snapshot: StateSnapshot, found: CheckpointTuple | None, saver: BaseCheckpointSaver[Any]) -> int:
    writes = [] if found is None else found.pending_writes or []
    count = sum(
        len(value) if isinstance(value, list) else 1
        for task_id, channel, value in writes
        if channel == _RESUME and task_id != NOBODY
    )
    for task in snapshot.tasks:
        if isinstance(task.state, StateSnapshot):
            count += await _answers(task.state, await saver.aget_tuple(task.state.config), saver)
    return count


def graph_input(run: Run) -> Any:
    """What the graph is started with: a command when there is one (clients send `input: {}` beside it)."""
    return run.kwargs.input if run.kwargs.command is None else command_of(run.kwargs.command)


def command_of(sent: dict[str, Any]) -> Command[Any]:
    """A command as clients send it, as LangGraph takes it."""
    update = sent.get("update")
    if isinstance(update, list):
        update = [tuple(pair) if isinstance(pair, list) else pair for pair in update]
    return Command(update=update, resume=sent.get("resume"), goto=_goto(sent.get("goto")))


def _goto(target: Any) -> Any:
    if target is None:
        return ()
    if isinstance(target, list):
        return [_goto(item) for item in target]
    if isinstance(target, dict):
        return Send(target["node"], target.get("input"))
    return target
