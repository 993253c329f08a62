"""Explanations of cells that no operation of the trace computes: input, target, parameters, moments, own code."""

from typing import Any

from chainrule import operations
from chainrule.explain.cells import Entry
from chainrule.explain.record import Made

KINDS = ("input", "target", "parameter", "state", "moment")


def leaf(entry: Entry, step: int) -> Made:
    """Explain a cell that the step begins with."""
    return _said("leaf", {**{kind: kind == entry.kind for kind in KINDS}, "first": step == 1})


def own(operation: str) -> Made:
    """Explain a cell that a learner's own code computed."""
    return _said("own_code", {"operation": operation})


def _said(name: str, facts: dict[str, Any]) -> Made:
    return Made(operations.fill(operations.entries()[name]["words"], facts))
