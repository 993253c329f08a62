"""The signature of a network: what training recorded of its inputs and outputs, for people and for files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.core.arrays import Shape
from chainrule.core.shapes import text
from chainrule.data.normalization import KINDS, Normalization
from chainrule.network import tasks
from chainrule.network.network import Network
from chainrule.network.tasks import Task

AXES = {1: "(F,)", 2: "(C, W)", 3: "(C, H, W)"}
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
        change = "" if record.kind == "none" else f", {KINDS[record.kind]}"
        digits = "; digits in image files are centered and scaled as in MNIST" if record.digits else ""
        return f"{text(self.shape)}, {record.unit}{change}{digits}"

    def to_config(self) -> dict[str, Any]:
        """Return the signature as JSON values."""
        axes, record = AXES.get(len(self.shape), ""), self.normalization
        return {"axes": axes, "shape": list(self.shape), "unit": record.unit, **record.to_config()}


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
        names = ", ".join(self.classes[:SHOWN]) + (", …" if len(self.classes) > SHOWN else "")
        limits = "; thresholds " * bool(self.thresholds) + ", ".join(f"{value:.4g}" for value in self.thresholds)
        known = self.task.name if self.task else "task not recorded"
        return f"{text(self.shape)}, {known}{names and ': '}{names}{limits}"

    def to_config(self) -> dict[str, Any]:
        """Return the signature as JSON values."""
        values: dict[str, Any] = {"shape": list(self.shape), "task": self.task and self.task.name}
        return {**values, "classes": list(self.classes), "thresholds": list(self.thresholds)}


@dataclass(frozen=True)
class NetworkSignature:
    """What is recorded of a network's inputs and outputs, by name. A single input is "x", a single output "y"."""

    inputs: Mapping[str, InputSignature]
    outputs: Mapping[str, OutputSignature]

    @staticmethod
    def of(network: Network) -> NetworkSignature:
        """Return the signature of a network."""
        record, shapes = network.normalization, {"x": network.input_shape}
        shapes = shapes if network.input_ports is None else network.input_ports.shapes
        inputs = {name: InputSignature(shape, record.parts.get(name, record)) for name, shape in shapes.items()}
        task, ends, names = network.task, network.outputs, network.output_names
        parts = tasks.parts(task) if task else (None,) * len(ends)
        columns = zip(names, ends, parts, strict=True)
        return NetworkSignature(
            inputs,
            {
                name: OutputSignature(end.shape, part, network.classes, network.thresholds)
                for name, end, part in columns
            },
        )

    def __str__(self) -> str:
        return "\n".join(f"{name}: {entry}" for part in (self.inputs, self.outputs) for name, entry in part.items())

    def to_config(self) -> dict[str, Any]:
        """Return the signature as JSON values."""
        ports = {"inputs": self.inputs, "outputs": self.outputs}
        return {kind: {name: entry.to_config() for name, entry in part.items()} for kind, part in ports.items()}
