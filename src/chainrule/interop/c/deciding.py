"""C functions that decide as `Model.predict_classes` does: by the recorded task and thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any, NamedTuple

from chainrule.models.decisions import yes_thresholds
from chainrule.models.model import Model
from chainrule.network import tasks
from chainrule.network.plans import resolved_task


class Decision(NamedTuple):
    """How an exported network decides.

    declaration   comment and prototype for the header; "" if the outputs are the answer
    definition    definition of the function; "" without one
    printed       what the example program prints
    report        C statements of the example program, whose function `show` prints a name, an output and a note
    """

    declaration: str
    definition: str
    printed: str
    report: str


CLASS = Decision(
    """
/* Return the index of the class that the outputs mean: that of the largest output. */
int ${name}_class(const float *outputs);
""",
    """int ${name}_class(const float *outputs)
{
    int best = 0;
    for (int k = 1; k < ${guard}_OUTPUTS; k++)
        best = outputs[k] > outputs[best] ? k : best;
    return best;
}
""",
    "its class",
    """    int best = ${name}_class(outputs);
    show(${name}_classes[best], outputs[best], "");""",
)
YES_OR_NO = Decision(
    """
/* Return the index of the class that the output means: 1 if it is at least $thresholds, else 0. */
int ${name}_class(const float *outputs);
""",
    """int ${name}_class(const float *outputs)
{
    return (double)outputs[0] >= $thresholds;
}
""",
    "its class",
    """    show(${name}_classes[${name}_class(outputs)], outputs[0], "");""",
)
LABELS = Decision(
    """
/* Return 1 if the outputs mean that a label applies, whose index is from 0 to ${guard}_OUTPUTS - 1; else 0. */
int ${name}_label(const float *outputs, int label);
""",
    """int ${name}_label(const float *outputs, int label)
{
    static const double thresholds[${guard}_OUTPUTS] = {$thresholds};
    return (double)outputs[label] >= thresholds[label];
}
""",
    "all outputs, with 1 for the labels that apply",
    """    for (int k = 0; k < ${guard}_OUTPUTS; k++)
        show(${name}_classes[k], outputs[k], ${name}_label(outputs, k) ? " 1" : " 0");""",
)
OUTPUTS = Decision(
    "",
    "",
    "all outputs",
    """    for (int k = 0; k < ${guard}_OUTPUTS; k++)
        show($output_name, outputs[k], "");""",
)


def decision_of(model: Model, values: Mapping[str, Any]) -> Decision:
    """Return how a network decides, in C.

    values   values of placeholders: name, guard, and the numbers of outputs and classes
    """
    task = None
    if len(model.output_shape) == 1 and model.output_ports is None:
        task = resolved_task(model, None, model.loss)
    kinds: dict[tuple[tasks.Task | None, int], Decision] = {
        (tasks.CLASSIFICATION, values["outputs"]): CLASS,
        (tasks.MULTI_LABEL, values["outputs"]): LABELS,
        (tasks.BINARY, 2): YES_OR_NO,
    }
    kind = kinds.get((task, values["classes"]), OUTPUTS)
    has_names = values["classes"] == values["outputs"]
    further = {
        "thresholds": ", ".join(map(repr, yes_thresholds(model))),
        "output_name": f"{values['name']}_classes[k]" if has_names else '"output"',
    }
    return Decision(*(Template(text).substitute(values, **further) for text in kind))
