"""What a search may cost at most, told before anything is spent, and whether the run may spend it.

Counted as if every answer had to be repaired once and no two thoughts were alike. Tokens are estimates, as everywhere.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from nodes.context import SearchContext
from nodes.evaluate import LABEL, ballot
from nodes.expand import proposals
from nodes.problems.problem import Problem
from nodes.state import SearchState
from nodes.structured import most_tokens
from nodes.thoughts import levels_of, system_prompt
from nodes.tokens import text_tokens


class WorstCase(NamedTuple):
    """`tokens`, in and out, are known when the run has `max_tokens`; `dollars` when it has both prices as well."""

    model_calls: int
    tokens: int | None = None
    dollars: float | None = None


class _Asking(NamedTuple):
    """One kind of request: how often it may be made, the tokens of its prompt, and the schema of its answer."""

    times: int
    prompt: int
    schema: dict[str, Any]


def worst_case(problem: Problem, root: str, context: SearchContext, before: str, answer: int) -> WorstCase:
    """The most that a search of `root` can take; `answer`: tokens of the last call's prompt without its path."""
    asked = list(_asked(problem, root, context, before))
    calls = 2 * sum(one.times for one in asked) + 1
    if context.max_tokens is None:
        return WorstCase(calls)
    read = answer + _shown(problem, root, context, levels_of(problem, root, context))
    written = context.max_tokens
    for one in asked:
        most_read, most_written = most_tokens(one.prompt, one.schema, context.max_tokens)
        read, written = read + one.times * most_read, written + one.times * most_written
    priced = context.input_price and context.output_price
    dollars = (read * context.input_price + written * context.output_price) / 1_000_000 if priced else None
    return WorstCase(calls, read + written, dollars)


def refusal(state: SearchState, context: SearchContext) -> str | None:
    """Why a search must not start, in words for the user; None when its worst case is within the budget."""
    tokens, dollars = state.get("worst_tokens"), state.get("worst_dollars")
    if (calls := state["worst_case"]) > context.max_model_calls:
        most, budget = f"{calls} model calls", f"{context.max_model_calls}"
    elif tokens is not None and context.max_run_tokens is not None and tokens > context.max_run_tokens:
        most, budget = f"{tokens} tokens", f"{context.max_run_tokens}"
    elif dollars is not None and context.max_dollars is not None and dollars > context.max_dollars:
        most, budget = f"{dollars:.4g} dollars", f"{context.max_dollars:g}"
    else:
        return None
    return (
        f"I did not start: this search may take up to {most}, and the budget is {budget}. "
        f"Allow more {most.partition(' ')[2]}, or lower the beam, depth, samples, thoughts or max_tokens."
    )


def _asked(problem: Problem, root: str, context: SearchContext, before: str) -> Iterator[_Asking]:
    """Every kind of request, level by level; depth first, every one as deep as it can be."""
    levels = levels_of(problem, root, context)
    one_each = context.generate == "sample"
    each = context.thoughts if one_each else (context.max_thoughts or problem.thoughts)
    proposing = text_tokens(system_prompt(problem.propose_prompt, before)) + 8
    judging = text_tokens(system_prompt(problem.value_prompt, before)) + 8
    wide = context.strategy == "breadth"
    expansions = [(level, context.beam if level else 1) for level in range(levels)]
    for level, states in expansions if wide else [(levels - 1, context.max_states)]:
        prompt = proposing + _shown(problem, root, context, level)
        yield _Asking(states * (each if one_each else 1), prompt, proposals(1 if one_each else each))
        if wide and level == levels - 1 and problem.verifies_leaves:
            continue
        shown = _shown(problem, root, context, level + 1)
        if context.evaluate == "value":
            yield _Asking(states * each * context.samples, judging + shown, LABEL)
        else:  # one vote between all states of a level, depth first between those that follow one
            votes, candidates = (1, states * each) if wide else (states, each)
            yield _Asking(votes * context.samples, judging + candidates * (shown + 4), ballot(candidates))


def _shown(problem: Problem, root: str, context: SearchContext, thoughts: int) -> int:
    """Tokens that show a state with so many thoughts before it."""
    longest = min(problem.longest_thought, context.max_tokens or problem.longest_thought)
    return text_tokens(problem.shown(root, [], root)) + thoughts * (longest + 4)
