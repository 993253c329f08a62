"""The signature of a network: what training recorded of its inputs and outputs, for people and for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.core.arrays import Shape
from chainrule.core.shapes import text
from chainrule.data.normalization import KINDS, Normalization
from chainrule.network import tasks
from chainrule.network.network import Network
from chainrule.network.tasks import Task

SHOWN = 12  # maximum number of class names in a description


@dataclass(frozen=True)
class InputSignature:
    """An input of a network.

    shape          shape of one sample
    normalization  unit, limits and normalization of the training data, and how an image file becomes an input
    """

    shape: Shape
    normalization: Normalization

    def __str__(self) -> str:
        record = self.normalization
        description = f"{text(self.shape)}, {record.unit}"
        if record.kind != "none":
            description += f", {KINDS[record.kind]}"
        if record.digits:
            description += "; digits in image files are centered and scaled as in MNIST"
        return description


@dataclass(frozen=True)
class OutputSignature:
    """An output of a network.

    shape    shape for one sample
    task     task that training inferred from the targets; None: unknown
    classes  names of the classes, or of the targets; empty: not recorded
    thresholds   smallest output that means yes, of each label; empty: ½
    """

    shape: Shape
    task: Task | None
    classes: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()

    def __str__(self) -> str:
        task = "task not recorded"
        if self.task is not None:
            task = self.task.name
        description = f"{text(self.shape)}, {task}"
        if self.classes:
            description += ": " + ", ".join(self.classes[:SHOWN])
        if len(self.classes) > SHOWN:
            description += ", …"
        if self.thresholds:
            description += "; thresholds " + ", ".join(f"{value:.4g}" for value in self.thresholds)
        return description


@dataclass(frozen=True)
class NetworkSignature:
    """What is recorded of a network's inputs and outputs, by name. A single input is "x", a single output "y"."""

    inputs: Mapping[str, InputSignature]
    outputs: Mapping[str, OutputSignature]

    @staticmethod
    def of(network: Network) -> NetworkSignature:
        """Return the signature of a network."""
        record = network.normalization
        shapes: Mapping[str, Shape] = {"x": network.input_shape}
        if network.input_ports is not None:
            shapes = network.input_ports.shapes
        inputs = dict[str, InputSignature]()
        for name, shape in shapes.items():
            inputs[name] = InputSignature(shape, record.parts.get(name, record))
        ends = network.outputs
        of_outputs: Sequence[Task | None] = (None,) * len(ends)
        if network.task is not None:
            of_outputs = tasks.parts(network.task)
        outputs = dict[str, OutputSignature]()
        for name, end, task in zip(network.output_names, ends, of_outputs, strict=True):
            outputs[name] = OutputSignature(end.shape, task, network.classes, network.thresholds)
        return NetworkSignature(inputs, outputs)

    def __str__(self) -> str:
        lines = list[str]()
        for name, entry in (*self.inputs.items(), *self.outputs.items()):
            lines.append(f"{name}: {entry}")
        return "\n".join(lines)
