"""Dataset scope: what steps that run once over all rows of a data set may be wired to, and what they may not say."""

from __future__ import annotations

from collections.abc import Iterator

from studio.language.plan import Plan, Step

__all__ = ["mixed_outputs", "scope_problems"]


def scope_problems(plan: Plan) -> Iterator[tuple[str, str]]:
    """Each step whose scope is at odds with what it says or reads, and why."""
    for step in plan.steps.values():
        told = _of_all_rows(step, plan) if step.scope == "dataset" else _of_one_row(step, plan)
        if told:
            yield step.id, f"step '{step.id}' {told}"


def mixed_outputs(plan: Plan) -> Iterator[tuple[str, str]]:
    """Each output that is neither of each row nor of all of them, and why."""
    for name, edge in plan.outputs.items():
        if len({plan.steps[maker].scope for maker in plan.makers([edge])}) > 1:
            yield name, f"output '{name}' mixes what each row gives with what all rows give"


def _of_one_row(step: Step, plan: Plan) -> str:
    over_all = sorted(
        maker for maker in plan.needs[step.id] | plan.spares[step.id] if plan.steps[maker].scope == "dataset"
    )
    if not over_all:
        return ""
    return f"runs for each row, and '{over_all[0]}' is there only when all rows are over: give it 'scope: dataset', too"


def _of_all_rows(step: Step, plan: Plan) -> str:
    if step.when:
        return "runs once over all rows, so it can have no 'when'"
    if step.instead and plan.scope_of(step.instead.values()) == "item" and plan.makers(step.instead.values()):
        return "runs once over all rows: nothing of a single row can stand in for it"
    loose = [
        edge
        for edge in step.edges.values()
        if edge.form != "rows" and any(plan.steps[maker].scope == "item" for maker in plan.makers([edge]))
    ]
    if loose:
        return f"runs once over all rows: wire one source to each of its inputs, not {loose[0]}"
    return ""
