"""Serialization of models: check descriptions, build models from them, and write model files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import ArrayLike

from chainrule import layers
from chainrule._io import files
from chainrule._io.files import expect, expect_list, expect_object
from chainrule.core.arrays import Array
from chainrule.core.shapes import is_number
from chainrule.data.normalization import Normalization
from chainrule.engines import fallback
from chainrule.engines.options import thread_count
from chainrule.errors import ChannelOrderWarning, FormatError, OptionError, quoted
from chainrule.layers import Layer
from chainrule.layers.node import Wiring
from chainrule.network import tasks
from chainrule.network.fitted import Fitted, class_counts
from chainrule.network.labels import KINDS, Labels
from chainrule.network.losses import CustomLoss, Loss
from chainrule.network.network import Network

BuiltModel = TypeVar("BuiltModel", bound=Network)

MAX_LAYERS = 10_000
SUFFIX = ".safetensors"  # of model files


def layers_from(configs: Sequence[Mapping[str, Any]]) -> list[Layer]:
    """Create the layers from the entry "layers" of a description (`Network.architecture`)."""
    if len(configs) > MAX_LAYERS:
        raise FormatError(f"{len(configs)} layers; expected at most {MAX_LAYERS}")
    return [layers.from_config(dict(config)) for config in configs]


def wiring_from(value: object, count: int) -> Wiring:
    """Read the entry "wiring" of a description with ``count`` layers; KeyError or FormatError if it is invalid."""
    config = expect_object(value, "wiring")
    names = expect_list(str, config["names"], "wiring names")
    input_lists: list[Any] = [*expect(list, config["inputs"], "wiring inputs")]
    inputs = tuple(expect_list(int, indices, "wiring inputs") for indices in input_lists)
    owners = expect_list(int, config["owners"], "wiring owners")
    if not len(names) == len(inputs) == len(owners) == count:
        raise FormatError(
            f"the wiring has {len(names)} names, {len(inputs)} inputs and {len(owners)} owners; expected {count} each"
        )
    return Wiring(names, inputs, owners, frozenset(expect_list(str, config["invented"], "invented names")))


def checked_about(value: object) -> dict[str, Any]:
    """Check the types of all entries in a description (`Model.about`), except those of the layers, and return it.

    Errors   KeyError for a missing entry; FormatError for an invalid one
    """
    about = expect_object(value, "model")
    for name, kind in {"name": str, "dtype": str, "loss": str, "normalization": dict, "seed": int}.items():
        expect(kind, about[name], name)
    for name, kind in {"input_shape": int, "classes": str, "layers": dict}.items():
        expect_list(kind, about[name], name)
    if about.get("wiring") is not None:
        wiring_from(about["wiring"], len(about["layers"]))
    return about


def _task(value: object, network: Network) -> tasks.Task:
    task = tasks.find(expect(str, value, "task"))
    if len(tasks.parts(task)) != len(network.outputs):
        raise FormatError(f"task {quoted(value)}: expected {len(network.outputs)}, one per output")
    return task


def _largest_input(value: Any, network: Network) -> float:
    if not (is_number(value) and 0 <= value < math.inf):
        raise FormatError(f"largest_input is {quoted(value)}; expected a finite number of at least 0")
    return value


def _thresholds(values: object, network: Network) -> tuple[float, ...]:
    from chainrule.models.decisions import checked_thresholds

    return checked_thresholds(network, expect_list(float, values, "thresholds"))


def _labels(config: Mapping[str, Any], network: Network) -> Labels:
    kind = config.get("kind")
    if kind not in (None, *KINDS.values()):
        raise FormatError(f"kind of labels is {quoted(kind)}; expected one of {', '.join(KINDS.values())}, or null")
    return replace(network.labels, kind=kind, chosen=expect(bool, config.get("chosen"), "chosen"))


# optional entry and attribute → function that reads the entry
RECORDED: dict[str, Callable[[Any, Network], object]] = {
    "task": _task,
    "largest_input": _largest_input,
    "thresholds": _thresholds,
    "labels": lambda config, network: _labels(expect_object(config, "labels"), network),
}


def complete(network: Network, about: Mapping[str, Any]) -> None:
    """Let a network have the classes of a description and, if it has no task, the task and what belongs to it.

    Classes that a user chose, and those for another number of outputs, are kept.
    """
    names = tuple(about["classes"])
    if not network.labels.chosen and len(names) in class_counts(network.output_shape[0]):
        network.labels = replace(network.labels, names=names)
    if network.task is None:
        for name, read in RECORDED.items():
            if about.get(name) is not None:
                setattr(network, name, read(about[name], network))


def describe(fitted: Fitted) -> dict[str, Any]:
    """Return the entries of a description (`Model.about`) that are determined by training."""
    entries: dict[str, Any] = {
        "normalization": fitted.normalization.to_config(),
        "loss": str(fitted.loss),
        "task": fitted.task and fitted.task.name,
        "largest_input": fitted.largest_input,
        "thresholds": [*fitted.thresholds] or None,
    }
    return {name: entry for name, entry in entries.items() if entry is not None}


def build(
    connect: Callable[..., BuiltModel],
    about: dict[str, Any],
    *,
    engine: str | None,
    threads: int | None,
    precise: bool,
    weights: Mapping[str, ArrayLike] | None,
) -> BuiltModel:
    """Build a model from a description returned by `Model.about`.

    connect   function (layers, input_shape, wiring, **options) that returns a model
    weights   weights by name; None: initial values drawn with the seed

    Errors   FormatError for an invalid description, OptionError for an invalid number of threads
    """
    thread_count(threads)
    try:
        checked = checked_about(about)
        built_layers = layers_from(checked["layers"])
        options: dict[str, Any] = {name: checked[name] for name in ("dtype", "seed", "name", "classes", "loss")}
        options |= {"engine": engine, "threads": threads, "precise": precise, "weights": weights}
        options["normalization"] = Normalization.from_config(checked["normalization"])
        wiring = wiring_from(checked["wiring"], len(built_layers)) if "wiring" in checked else None
        with warnings.catch_warnings(action="ignore", category=ChannelOrderWarning):  # as when it was built
            model = connect(built_layers, checked["input_shape"], wiring, **options)
        complete(model, checked)
        return model
    except KeyError as error:
        raise FormatError(f"not a description of a model: there is no {error.args[0]}") from None
    except OptionError as error:
        raise FormatError(f"not a description of a model: {error}") from None


def model_path(path: str | Path) -> Path:
    """Return the path of a model file; OptionError unless its suffix is .safetensors."""
    file = files.as_path(path)
    if file.suffix.lower() != SUFFIX:
        hint = "; chainrule.export_onnx writes .onnx" if file.suffix.lower() == ".onnx" else ""
        raise OptionError(f"{file}: suffix {quoted(file.suffix)} of a model file; expected {SUFFIX}{hint}")
    return file


def save(path: str | Path, weights: Mapping[str, Array], about: dict[str, Any], loss: Loss) -> None:
    """Write a model's weights and description to one .safetensors file, atomically.

    Errors   OptionError for another suffix
    """
    files.write_atomic(model_path(path), files.tensor_bytes("model", weights, about))
    if isinstance(loss, CustomLoss):
        fallback.say_once(
            f"chainrule: the custom loss {loss.name} is not saved in {path}, only its name; to continue training or to "
            "evaluate, pass loss=… again"
        )
