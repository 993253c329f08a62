"""Series of numbers that the page plots: of one element of a parameter, and of all steps."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from chainrule._io import files
from chainrule.training.history import History
from chainrule.web.frames import Frame


class StepSeries(TypedDict):
    """Losses, metrics and norms of steps; see `Series` in page/types.js. A number that is not finite is None."""

    first: int
    loss: list[float | None]
    accuracy: list[float | None]
    norms: dict[str, list[float | None]]
    norm_steps: list[int]


def element_series(frames: Sequence[Frame], position: int, moments: Sequence[str]) -> dict[str, object]:
    """Return the steps of frames, and the values and the moments of one element of the parameters at these steps.

    frames     frames in any order; a step may have several
    position   index of the element in the flat buffer of the parameters
    moments    names of the optimizer's moments
    """
    frames_by_step = {frame.step: frame for frame in frames}
    steps = sorted(frames_by_step)
    values = list[float]()
    values_of: dict[str, list[float | None]] = {name: [] for name in moments}
    for step in steps:
        frame = frames_by_step[step]
        values.append(float(frame.parameters[position]))
        for number, name in enumerate(moments):
            value = None
            if frame.moments is not None:
                value = float(frame.moments[number][position])
            values_of[name].append(value)
    return {"steps": steps, "values": values, "moments": values_of}


def step_series(history: History, after: int, norm_steps: list[int], norms: Mapping[str, list[float]]) -> StepSeries:
    """Return losses and metrics of the steps after a step, with norms and their steps."""
    loss = history.losses[after:].tolist()
    accuracy = history.measures[after:].tolist()
    complete = min(len(loss), len(accuracy))  # a step may be in progress
    finite = files.without_nonfinite({"loss": loss[:complete], "accuracy": accuracy[:complete], "norms": norms})
    return {
        "first": after + 1,
        "loss": finite["loss"],
        "accuracy": finite["accuracy"],
        "norms": finite["norms"],
        "norm_steps": norm_steps,
    }
