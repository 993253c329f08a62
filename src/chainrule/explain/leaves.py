"""Explanations of cells that no operation of the trace computes: input, target, parameters, moments, own code."""

from typing import Any

from chainrule.explain.cells import TensorEntry
from chainrule.explain.record import Derivation
from chainrule.operations import definitions

KINDS = ("input", "target", "parameter", "state", "moment", "batch")


def leaf(entry: TensorEntry, step: int) -> Derivation:
    """Explain a cell that the step begins with."""
    return _said("leaf", {**{kind: kind == entry.kind for kind in KINDS}, "first": step == 1})


def custom_operation(operation: str) -> Derivation:
    """Explain a cell that a learner's own code computed."""
    return _said("own_code", {"operation": operation})


def _said(name: str, facts: dict[str, Any]) -> Derivation:
    return Derivation(definitions.fill(definitions.entries()[name]["words"], facts))
