"""Training in C: one step of a training plan on one image, by SGD, with or without momentum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.plan import gradient_name
from chainrule.errors import OptionError
from chainrule.interop.c import calls, packing, program, source
from chainrule.interop.c.calls import CCall
from chainrule.interop.c.program import CProgram, arrange
from chainrule.interop.c.source import Structs, array
from chainrule.training.losses import CustomLoss
from chainrule.training.optimizers import SGD, Momentum, Optimizer

if TYPE_CHECKING:
    from chainrule.models.model import Model

ROUTINES = ("all_finite", "one_hot")

STEP = """{state}
float *{name}_parameters(void)
{{
    return parameters;
}}

float {name}_step_towards(const float *image, const float *target, float rate)
{{
    float loss;
{counted}{gradient}
    if (!all_finite(gradients, {count}, loss))
        return loss;
{update}
    return loss;
}}

float {name}_step(const float *image, int label, float rate)
{{
    static float target[{classes}];
    one_hot(label, target, {classes});
    return {name}_step_towards(image, target, rate);
}}
"""

DECLARED = """
/* Train on one image: a step of {optimizer} along the gradient of the loss ({loss}); return the loss before it.
   A loss or a gradient that is not finite changes nothing. Labels count from 0; a target has {guard}_OUTPUTS entries.
*/
float {name}_step(const float *image, int label, float rate);
float {name}_step_towards(const float *image, const float *target, float rate);

/* The {guard}_PARAMETERS parameters, to keep them or to put others in their place. */
float *{name}_parameters(void);
"""


@dataclass(frozen=True)
class Training:
    """The parts of a program that trains.

    gradient   forward and backward operations, and the deferred ones behind them
    update     calls once the step proved finite, whose arrays lie as in `gradient`
    """

    running: CProgram
    gradient: CProgram
    update: list[CCall]
    optimizer: Optimizer

    @property
    def calls(self) -> list[CCall]:
        """Return all calls."""
        return [*self.running.calls, *self.gradient.calls, *self.update]


def training(model: Model, optimizer: Optimizer) -> Training:
    """Return the program of training steps of a model with its own loss.

    Errors   OptionError for a loss of own code, another optimizer than SGD and momentum, or an unknown layer
    """
    if isinstance(model.loss, CustomLoss) or not isinstance(optimizer, SGD | Momentum):
        wanted = "a loss of own code" if isinstance(model.loss, CustomLoss) else f"the optimizer {optimizer.name}"
        raise OptionError(f"{wanted} cannot be exported to C; expected a named loss, and sgd, momentum or nesterov")
    if model.frozen:
        raise OptionError("a model with frozen parameters cannot be trained in C: call freeze() without names first")
    variables = _variables(model)
    plan, inference = model.plan(model.check_loss()), model.plan()
    target, loss, correct = plan.loss_tensors
    kept = [each for each in plan.operations if each.writes[0].storage != correct.storage]
    found = [call for operation in kept for call in calls.of_operation(operation)]
    deferred = [call for operation in plan.deferred for call in calls.of_operation(operation)]
    outside = variables | {target.storage: "target", loss.storage: "&loss"}
    whole = [*program.normalized(plan, model.normalization, outside), *found, *deferred]
    gradient = CProgram(whole[: len(whole) - len(deferred)], arrange(whole, set(outside)), outside, {})
    run = [call for operation in inference.forward for call in packing.unpacked(operation)]
    running = program.finished(inference, run, {}, model.normalization, variables)
    return Training(running, gradient, [*deferred, _update(model, optimizer)], optimizer)


def _variables(model: Model) -> dict[str, str]:
    """Return the C expression of each parameter, its gradient and each running statistic."""
    layout = model.trainable_layout
    learnt = {name: f"parameters + {first}" for name, (first, _) in layout.items()}
    gradients = {gradient_name(name): f"gradients + {first}" for name, (first, _) in layout.items()}
    others = {name: f"statistics + {first}" for name, (first, _) in model.layout.items() if name not in layout}
    return learnt | gradients | others


def _update(model: Model, optimizer: Optimizer) -> CCall:
    count, known = model.parameters.size, optimizer.attributes()
    if isinstance(optimizer, Momentum):
        numbers = (float(known["momentum"]), int(known["nesterov"]), float(known["decay"]))
        return CCall("momentum_update", ("parameters", "gradients", "velocity", count, "rate", *numbers))
    return CCall("sgd_update", ("parameters", "gradients", count, "rate", float(known["decay"])))


def sizes(model: Model, parts: Training) -> dict[str, int]:
    """Return the bytes of parameters, gradients, statistics, moments and activations in RAM."""
    arenas = [parts.running.arena, parts.gradient.arena]
    activations = max(each.floats for each in arenas) + max(each.integers for each in arenas)
    each = {
        "parameters": model.parameters.size,
        "gradients": model.parameters.size,
        "statistics": model.statistics.size,
        "moments": len(parts.optimizer.moments) * model.parameters.size,
        "activations": activations,
    }
    return {name: 4 * count for name, count in each.items()}


def definitions(model: Model, parts: Training) -> str:
    """Return the definitions of the variables: parameters, their gradients and velocity, running statistics."""
    count = model.parameters.size
    found = [
        array("parameters", np.asarray(model.parameters, np.float32), "static float"),
        f"static float gradients[{count}];\n",
        f"static float velocity[{count}];\n" * len(parts.optimizer.moments),
    ]
    if model.statistics.size:
        found.append(array("statistics", np.asarray(model.statistics, np.float32), "static float"))
    integers = parts.gradient.arena.integers
    return "".join([*found, f"static int indices[{integers}];\n" * bool(integers)])


def functions(model: Model, parts: Training, name: str, structs: Structs) -> str:
    """Return the functions of a step."""
    draws = any(call.function == "dropout" for call in parts.gradient.calls)
    seed = f"static const uint64_t seed = UINT64_C({model.seed});\nstatic uint64_t step;\n"
    return STEP.format(
        name=name,
        state=seed * draws,
        counted="    step++;\n" * draws,
        gradient=parts.gradient.body(structs),
        update="\n".join(source.statement(call, parts.gradient.place, structs) for call in parts.update),
        count=model.parameters.size,
        classes=model.plan().output.size,
    )


def declared(model: Model, parts: Training, facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what the header says of training."""
    guard = facts["guard"]
    lines = [f"#define {guard}_PARAMETERS {model.parameters.size}"]
    lines += [f"#define {guard}_{each.upper()}_BYTES {count}" for each, count in sizes(model, parts).items()]
    shown = DECLARED.format(guard=guard, name=facts["name"], optimizer=parts.optimizer.name, loss=model.loss)
    return {"more": "\n".join(lines) + "\n", "functions": shown}
