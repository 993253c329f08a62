"""Numbers that no operation of the trace makes: the input, the target, the parameters and the moments."""

from chainrule.explain.cells import Entry
from chainrule.explain.record import Made

WORDS = {
    "input": "It comes from outside: a number of the sample, normalised as in training.",
    "target": "It comes from outside: what the network should have answered.",
    "parameter": "The network learnt it: this is its value before the step.",
    "state": "Training gathered it from the batches before: this is its value before the step.",
    "moment": "The optimizer remembers it from the steps before.",
}
FIRST = "The optimizer remembers it from the steps before; there was none yet."


def leaf(entry: Entry, step: int) -> Made:
    """What is said of it."""
    return Made(FIRST if entry.kind == "moment" and step == 1 else WORDS[entry.kind])


def own(operation: str) -> Made:
    """What is said of a number that a learner's own code made."""
    return Made(f"It was made by your own code ({operation}), which cannot be looked into.")
