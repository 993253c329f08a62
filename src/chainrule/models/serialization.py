"""Models in files: descriptions checked and made into layers, wiring and models, and the file of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from chainrule import layers
from chainrule._io import files
from chainrule._io.files import expect, expect_list, expect_object
from chainrule.data.normalization import Normalization
from chainrule.engines import fallback
from chainrule.engines.protocol import Array
from chainrule.errors import FormatError, OptionError, quoted
from chainrule.layers import Layer
from chainrule.layers.node import Wiring
from chainrule.training import tasks
from chainrule.training.losses import CustomLoss

if TYPE_CHECKING:
    from chainrule.models.model import Model
    from chainrule.training.loop import Fitted
    from chainrule.training.losses import Loss

MAX_LAYERS = 10_000


def layers_from(configs: Sequence[Mapping[str, Any]]) -> list[Layer]:
    """Return the layers that `Network.architecture` described."""
    if len(configs) > MAX_LAYERS:
        raise FormatError(f"{len(configs)} layers; expected at most {MAX_LAYERS}")
    return [layers.from_config(dict(config)) for config in configs]


def wiring_from(value: Any, count: int) -> Wiring:
    """Return the wiring of `Network.architecture` for a number of layers; KeyError or FormatError if it is none."""
    config = expect_object(value, "wiring")
    names = expect_list(str, config["names"], "wiring names")
    input_lists: list[Any] = [*expect(list, config["inputs"], "wiring inputs")]
    inputs = tuple(expect_list(int, indices, "wiring inputs") for indices in input_lists)
    owners = expect_list(int, config["owners"], "wiring owners")
    if not len(names) == len(inputs) == len(owners) == count:
        raise FormatError(f"the wiring is of {len(names)}, {len(inputs)} and {len(owners)} layers; expected {count}")
    return Wiring(names, inputs, owners)


def checked_about(value: Any) -> dict[str, Any]:
    """Return a description by `Model.about`, its entries of the right kinds; layers are checked when built.

    Errors   KeyError (an entry is missing) or FormatError
    """
    about = expect_object(value, "model")
    for name in ("name", "dtype", "loss"):
        expect(str, about[name], name)
    expect_list(int, about["input_shape"], "input_shape")
    expect_list(str, about["classes"], "classes")
    expect_list(dict, about["layers"], "layers")
    expect(dict, about["normalization"], "normalization")
    expect(int, about["seed"], "seed")
    if about.get("wiring") is not None:
        wiring_from(about["wiring"], len(about["layers"]))
    if about.get("task") is not None:
        expect(str, about["task"], "task")
    if about.get("largest_input") is not None:
        _check_size(about["largest_input"])
    return about


def _check_size(value: Any) -> None:
    """Raise FormatError unless a value is the absolute value of a number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise FormatError(f"largest_input is {quoted(value)}; expected a finite number of at least 0")


def describe(fitted: Fitted) -> dict[str, Any]:
    """Return the entries of `Model.about` that training decides."""
    return {
        "normalization": fitted.normalization.to_config(),
        "loss": str(fitted.loss),
        **({"task": fitted.task.name} if fitted.task else {}),
        **({} if fitted.largest_input is None else {"largest_input": fitted.largest_input}),
    }


def build(
    connect: Callable[..., Model],
    about: dict[str, Any],
    *,
    engine: str | None,
    threads: int | None,
    precise: bool,
    weights: Mapping[str, ArrayLike] | None,
) -> Model:
    """Return the model that `Model.about` described, with new weights or the given ones.

    connect   function that makes a model of layers, an input shape, wiring and options

    Errors   FormatError for an invalid description
    """
    try:
        checked = checked_about(about)
        built_layers = layers_from(checked["layers"])
        options: dict[str, Any] = {name: checked[name] for name in ("dtype", "seed", "name", "classes", "loss")}
        options |= {"engine": engine, "threads": threads, "precise": precise, "weights": weights}
        options["normalization"] = Normalization.from_config(checked["normalization"])
        wiring = wiring_from(checked["wiring"], len(built_layers)) if "wiring" in checked else None
        model = connect(built_layers, checked["input_shape"], wiring, **options)
        model.task = None if checked.get("task") is None else tasks.find(checked["task"])
        model.largest_input = checked.get("largest_input")
        return model
    except KeyError as error:
        raise FormatError(f"not a description of a model: there is no {error.args[0]}") from None
    except OptionError as error:
        raise FormatError(f"not a description of a model: {error}") from None


def save(path: str | Path, weights: Mapping[str, Array], about: dict[str, Any], loss: Loss) -> None:
    """Write the weights and the description of a model to one .safetensors file, atomically."""
    if isinstance(loss, CustomLoss):
        message = f"chainrule: {path} names the loss {loss.name} but does not hold it: it is own code"
        fallback.say_once(f"{message}; to train on or evaluate, give loss=… again")
    files.write_tensors(files.as_path(path), "model", weights, about)
