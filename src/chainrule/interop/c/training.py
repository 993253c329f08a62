"""Export of training steps to C. Each step trains on one image, by SGD with or without momentum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.plan import gradient_name
from chainrule.core.shapes import text
from chainrule.errors import OptionError
from chainrule.interop.c import calls, packing, program, source
from chainrule.interop.c.calls import CCall
from chainrule.interop.c.program import CProgram, allocate
from chainrule.interop.c.source import Structs, array
from chainrule.network.losses import CustomLoss
from chainrule.training.optimizers import SGD, Momentum, Optimizer

if TYPE_CHECKING:
    from chainrule.models.model import Model

ROUTINES = ("all_finite", "one_hot")

STEP = """{state}
float *{name}_parameters(void)
{{
    return parameters;
}}

float {name}_step_towards(float *arena, const float *image, const float *target, float rate)
{{
    float loss;
{indices}{counted}{gradient}
    if (!all_finite(gradients, {count}, loss))
        return loss;
{update}
    return loss;
}}

float {name}_step(float *arena, const float *image, int label, float rate)
{{
    static float target[{classes}];
    one_hot(label, target, {classes});
    return {name}_step_towards(arena, image, target, rate);
}}
"""

DECLARATIONS = """
/* Train on one image with one step of {optimizer} and return the loss ({loss}) before the step.
   If the loss or the gradient is not finite, nothing changes. Labels start at 0; a target has {guard}_OUTPUTS values.
*/
float {name}_step(float *arena, const float *image, int label, float rate);
float {name}_step_towards(float *arena, const float *image, const float *target, float rate);

/* The {guard}_PARAMETERS parameters, to save or to replace them. */
float *{name}_parameters(void);
"""


@dataclass(frozen=True)
class Training:
    """A training program.

    running    inference program, with the parameters as variables
    gradient   program for the loss and its gradient: the forward and backward operations
    update     calls that run if the loss and the gradient are finite: the deferred operations of the plan and the
               update of the parameters. Their arrays are in the memory layout of `gradient`
    """

    running: CProgram
    gradient: CProgram
    update: list[CCall]
    optimizer: Optimizer

    @property
    def calls(self) -> list[CCall]:
        """Return all calls."""
        return [*self.running.calls, *self.gradient.calls, *self.update]


def training_program(model: Model, optimizer: Optimizer) -> Training:
    """Return the training program of a model for the model's loss.

    Errors   OptionError for a custom loss, an optimizer other than SGD and momentum, frozen parameters, or a layer
             without C functions
    """
    if isinstance(model.loss, CustomLoss) or not isinstance(optimizer, SGD | Momentum):
        unsupported = "a custom loss" if isinstance(model.loss, CustomLoss) else f"the optimizer {optimizer.name}"
        raise OptionError(
            f"{unsupported} cannot be exported to C; expected a named loss, and sgd, momentum or nesterov"
        )
    if model.frozen:
        raise OptionError("a model with frozen parameters cannot be trained in C: call freeze() without names first")
    if model.output_ports:
        raise OptionError(f"a model with the outputs {model.output_ports} cannot be trained in C; expected one output")
    if len(model.output_shape) > 1:
        raise OptionError(
            f"a model with the outputs {text(model.output_shape)} cannot be trained in C; expected a vector of outputs"
        )
    variables = _variables(model)
    plan, inference = model.plan(model.check_loss()), model.plan()
    target, loss, correct = plan.loss_tensors
    operations = [entry for entry in plan.operations if entry.writes[0].storage != correct.storage]
    step_calls = [call for operation in operations for call in calls.of_operation(operation)]
    deferred = [call for operation in plan.deferred for call in calls.of_operation(operation)]
    external = variables | {target.storage: "target", loss.storage: "&loss"}
    all_calls = [*program.normalization_calls(plan, model.normalization, external), *step_calls, *deferred]
    gradient = CProgram(all_calls[: len(all_calls) - len(deferred)], allocate(all_calls, set(external)), external, {})
    run_calls = [call for operation in inference.forward for call in packing.unpacked(operation)]
    running = program.assemble(inference, run_calls, {}, model.normalization, variables)
    return Training(running, gradient, [*deferred, _update(model, optimizer)], optimizer)


def _variables(model: Model) -> dict[str, str]:
    """Return the C expressions of the parameters, their gradients and the running statistics."""
    learned = {name: f"parameters + {first}" for name, (first, _) in model.trainable_layout.items()}
    gradients = {gradient_name(name): f"gradients + {first}" for name, (first, _) in model.trainable_layout.items()}
    others = {
        name: f"statistics + {first}" for name, (first, _) in model.layout.items() if name not in model.trainable_layout
    }
    return learned | gradients | others


def _update(model: Model, optimizer: Optimizer) -> CCall:
    count, attributes = model.parameters.size, optimizer.attributes()
    if isinstance(optimizer, Momentum):
        numbers = (float(attributes["momentum"]), int(attributes["nesterov"]), float(attributes["decay"]))
        return CCall("momentum_update", ("parameters", "gradients", "velocity", count, "rate", *numbers))
    return CCall("sgd_update", ("parameters", "gradients", count, "rate", float(attributes["decay"])))


def sizes(model: Model, parts: Training) -> dict[str, int]:
    """Return the RAM in bytes for parameters, gradients, statistics, moments and activations."""
    arenas = [parts.running.arena, parts.gradient.arena]
    activations = max(arena.floats for arena in arenas) + max(arena.integers for arena in arenas)
    counts = {
        "parameters": model.parameters.size,
        "gradients": model.parameters.size,
        "statistics": model.statistics.size,
        "moments": len(parts.optimizer.moments) * model.parameters.size,
        "activations": activations,
    }
    return {name: 4 * count for name, count in counts.items()}


def definitions(model: Model, parts: Training) -> str:
    """Return the definitions of the variables: parameters, gradients, velocities and running statistics."""
    count = model.parameters.size
    variables = [
        array("parameters", np.asarray(model.parameters, np.float32), "static float"),
        f"static float gradients[{count}];\n",
        f"static float velocity[{count}];\n" * len(parts.optimizer.moments),
    ]
    if model.statistics.size:
        variables.append(array("statistics", np.asarray(model.statistics, np.float32), "static float"))
    return "".join(variables)


def functions(model: Model, parts: Training, name: str, structs: Structs) -> str:
    """Return the C functions of a training step."""
    draws = any(call.function == "dropout" for call in parts.gradient.calls)
    seed = f"static const uint64_t seed = UINT64_C({model.seed});\nstatic uint64_t step;\n"
    floats = max(parts.running.arena.floats, parts.gradient.arena.floats)
    return STEP.format(
        name=name,
        state=seed * draws,
        indices=f"    int *indices = (int *)(void *)(arena + {floats});\n" * bool(parts.gradient.arena.integers),
        counted="    step++;\n" * draws,
        gradient=parts.gradient.body(structs),
        update="\n".join(source.statement(call, parts.gradient.pointer, structs) for call in parts.update),
        count=model.parameters.size,
        classes=model.plan().output.size,
    )


def header_values(model: Model, parts: Training, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of the placeholders for training in the header."""
    guard = values["guard"]
    lines = [f"#define {guard}_PARAMETERS {model.parameters.size}"]
    lines += [f"#define {guard}_{part.upper()}_BYTES {count}" for part, count in sizes(model, parts).items()]
    shown = DECLARATIONS.format(guard=guard, name=values["name"], optimizer=parts.optimizer.name, loss=model.loss)
    return {"more": "\n".join(lines) + "\n", "statics": ", static variables", "functions": shown}
