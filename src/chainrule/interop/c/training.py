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
from chainrule.interop.c.program import FLOAT_BYTES, CProgram, allocate
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
    if (!all_finite(&loss, 1) || !all_finite(gradients, {count}))
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

    model: Model
    optimizer: Optimizer
    running: CProgram
    gradient: CProgram
    update: list[CCall]

    @staticmethod
    def of(model: Model, optimizer: Optimizer) -> Training:
        """Return the training program of a model for the model's loss.

        Errors   OptionError for a custom loss, an optimizer other than SGD and momentum, frozen parameters, or a layer
                 without C functions
        """
        _require_trainable(model, optimizer)
        variables = _variables(model)
        plan = model.plan(model.check_loss())
        inference = model.plan()
        target, loss, correct = plan.loss_tensors
        external = variables | {target.storage: "target", loss.storage: "&loss"}
        step = program.normalization_calls(plan, model.normalization, external)
        for operation in plan.operations:
            if operation.result.storage != correct.storage:
                step += calls.of_operation(operation)
        deferred = list[CCall]()
        for operation in plan.deferred:
            deferred += calls.of_operation(operation)
        gradient = CProgram(step, allocate([*step, *deferred], external), external, {})
        running = program.assemble(inference, packing.unpacked(inference.forward), {}, model.normalization, variables)
        return Training(model, optimizer, running, gradient, [*deferred, _update(model, optimizer)])

    @property
    def calls(self) -> list[CCall]:
        """All calls."""
        return [*self.running.calls, *self.gradient.calls, *self.update]

    @property
    def constant_bytes(self) -> int:
        """Size in bytes of the initial values of the variables."""
        return FLOAT_BYTES * (self.model.parameters.size + self.model.statistics.size)

    @property
    def sizes(self) -> dict[str, int]:
        """RAM in bytes for parameters, gradients, statistics, moments and activations."""
        parameter_bytes = FLOAT_BYTES * self.model.parameters.size
        activations = self._arena_floats + max(self.running.arena.integers, self.gradient.arena.integers)
        return {
            "parameters": parameter_bytes,
            "gradients": parameter_bytes,
            "statistics": FLOAT_BYTES * self.model.statistics.size,
            "moments": len(self.optimizer.moments) * parameter_bytes,
            "activations": FLOAT_BYTES * activations,
        }

    @property
    def _arena_floats(self) -> int:
        return max(self.running.arena.floats, self.gradient.arena.floats)

    @property
    def static_bytes(self) -> int:
        """RAM in bytes for the variables, which the program defines itself."""
        sizes = self.sizes
        return sum(sizes.values()) - sizes["activations"]

    def variables(self) -> str:
        """Return the definitions of the variables: parameters, gradients, velocities and running statistics."""
        count = self.model.parameters.size
        kind = "static float"
        arrays = {"parameters": self.model.parameters}
        if self.model.statistics.size:
            arrays["statistics"] = self.model.statistics
        initial = [array(name, np.asarray(values, np.float32), kind) for name, values in arrays.items()]
        moments = f"{kind} velocity[{count}];\n" * len(self.optimizer.moments)
        return "".join([*initial, f"{kind} gradients[{count}];\n", moments])

    def functions(self, name: str, structs: Structs) -> str:
        """Return the C functions of a training step."""
        state = ""
        counted = ""
        indices = ""
        if any(call.function == "dropout" for call in self.gradient.calls):
            state = f"static const uint64_t seed = UINT64_C({self.model.seed});\nstatic uint64_t step;\n"
            counted = "    step++;\n"
        if self.gradient.arena.integers:
            indices = f"    int *indices = (int *)(void *)(arena + {self._arena_floats});\n"
        return STEP.format(
            name=name,
            state=state,
            indices=indices,
            counted=counted,
            gradient=self.gradient.body(structs),
            update="\n".join(source.statement(call, self.gradient.pointer, structs) for call in self.update),
            count=self.model.parameters.size,
            classes=self.model.plan().output.size,
        )

    def header_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the placeholders for training in the header."""
        guard = values["guard"]
        optimizer = self.optimizer.name
        loss = self.model.loss
        lines = [f"#define {guard}_PARAMETERS {self.model.parameters.size}\n"]
        for part, size in self.sizes.items():
            lines.append(f"#define {guard}_{part.upper()}_BYTES {size}\n")
        shown = DECLARATIONS.format(guard=guard, name=values["name"], optimizer=optimizer, loss=loss)
        return {
            "more": "".join(lines),
            "statics": ", static variables",
            "static_bytes": self.static_bytes,
            "functions": shown,
        }


def _require_trainable(model: Model, optimizer: Optimizer) -> None:
    if isinstance(model.loss, CustomLoss) or not isinstance(optimizer, SGD | Momentum):
        unsupported = "a custom loss" if isinstance(model.loss, CustomLoss) else f"the optimizer {optimizer.name}"
        raise OptionError(
            f"{unsupported} cannot be exported to C; expected a named loss, and sgd, momentum or nesterov"
        )
    for is_refused, property_of_model, advice in (
        (model.frozen, "frozen parameters", "call freeze() without names first"),
        (not model.parameters.size, "no parameters", "add a layer with parameters"),
        (model.output_ports, f"the outputs {model.output_ports}", "expected one output"),
        (len(model.output_shape) > 1, f"the outputs {text(model.output_shape)}", "expected a vector of outputs"),
    ):
        if is_refused:
            raise OptionError(f"a model with {property_of_model} cannot be trained in C; {advice}")


def _variables(model: Model) -> dict[str, str]:
    """Return the C expressions of the parameters, their gradients and the running statistics."""
    expressions = {name: f"statistics + {first}" for name, (first, _) in model.layout.items()}
    for name, (first, _) in model.trainable_layout.items():
        expressions |= {name: f"parameters + {first}", gradient_name(name): f"gradients + {first}"}
    return expressions


def _update(model: Model, optimizer: Optimizer) -> CCall:
    count = model.parameters.size
    attributes = optimizer.attributes()
    if isinstance(optimizer, Momentum):
        numbers = (float(attributes["momentum"]), int(attributes["nesterov"]), float(attributes["decay"]))
        return CCall("momentum_update", ("parameters", "gradients", "velocity", count, "rate", *numbers))
    return CCall("sgd_update", ("parameters", "gradients", count, "rate", float(attributes["decay"])))
