"""Streams compute what the model computes for a whole window or for the whole signal, from new samples only."""

import ctypes
import subprocess
from collections.abc import Iterator, Sequence
from itertools import count, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.c.compiled import NATIVE, build, library, needs
from numerical import assert_close
from numpy.typing import NDArray
from proving.acceptance import accepts
from selection import draws

import chainrule as cr
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.interop.c import Quantized, write_c
from chainrule.interop.c.streaming import Stream
from chainrule.layers import Layer, Node
from chainrule.models.model import Model

NETWORKS = draws(3)
GUARD = 64  # numbers after an array that a program must not write


def next_node(draw: np.random.Generator, node: Node, *, causal: bool) -> Node | None:
    """Apply a random layer; return None if it does not accept so few columns."""
    channels, kind = node.shape[0], draw.integers(8)
    kernel, stride, dilation = int(draw.integers(1, 5)), int(draw.integers(1, 3)), int(draw.integers(1, 4))
    reach = (kernel - 1) * dilation
    before = int(draw.integers(max(0, reach + 1 - stride), reach + 1)) if causal else 0
    groups = channels if draw.integers(3) == 0 else 1
    filters = channels if groups > 1 else int(draw.integers(1, 18))
    options: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": ((before, 0),), "groups": groups}
    if kind == 4 and causal:  # a sum, of equal lengths
        return cr.Add()(node, cr.Conv1D(channels, kernel, padding=((kernel - 1, 0),))(node))
    exchanged = cr.Reshape(node.shape[::-1])
    layers: tuple[Layer, ...] = (cr.ReLU(), cr.Tanh(), cr.BatchNorm1D(), cr.PReLU(), cr.GELU(), exchanged)
    if kind < 4:
        layers = (cr.Conv1D(filters, kernel, **options),)
    elif kind == 5:
        layers = (cr.MaxPool1D(stride), cr.AveragePool1D(stride))
    layer = layers[draw.integers(len(layers))]
    return layer(node) if accepts(layer, node.shape) else None


def is_refused(nodes: Sequence[Node], *, is_padded: bool) -> bool:
    """Return whether a stream cannot have the results of successive layers.

    Windows that do not pad must end at the last column, and so must their strides if longer. After a single window, or
    another shape than columns, whole windows are read, which layers that pad do not have.
    """
    for before, after in pairwise(nodes):
        layer: Any = after.layer
        if isinstance(layer, cr.Flatten | cr.Reshape) and after.shape[1:] != before.shape[1:]:
            return is_padded
        if isinstance(layer, cr.Conv1D):
            reach, stride = (layer.kernel - 1) * layer.dilation + 1, layer.stride
        elif isinstance(layer, cr.MaxPool1D | cr.AveragePool1D):
            reach = stride = layer.window
        else:
            continue
        if after.shape[-1] == 1:
            return is_padded
        if not is_padded and (after.shape[-1] - 1) * stride + max(reach, stride) != before.shape[-1]:
            return True
    return False


def networks(*, causal: bool) -> Iterator[tuple[Model, Stream]]:
    """Draw networks until one can be a stream."""
    for number in count():
        draw = np.random.default_rng([67, number, causal])
        x = cr.Input((int(draw.integers(1, 5)), int(draw.integers(20, 50))))
        nodes: list[Node] = [x]
        for _ in range(draw.integers(2, 7)):
            added = next_node(draw, nodes[-1], causal=causal)
            nodes += [added] if added else []
        node = nodes[-1]
        if not causal and draw.integers(3):
            nodes.append(cr.Dense(3)(cr.Flatten()(node) if draw.integers(2) else cr.GlobalAveragePool1D()(node)))
        elif draw.integers(2) or node is x:
            nodes.append((cr.Softmax(), cr.Flatten())[draw.integers(2)](node))
        model = cr.Graph(x, nodes[-1], engine="numpy", seed=number)
        model.parameters += draw.normal(scale=0.2, size=model.parameters.shape).astype("f4")
        model.statistics += draw.uniform(0, 0.3, model.statistics.shape).astype("f4")
        model.normalization = Normalization("standardize", float(draw.uniform(0.2, 2)), float(draw.normal()))
        is_padded = any(layer.padding != ((0, 0),) for layer in model.layers if isinstance(layer, cr.Conv1D))
        if is_refused(nodes, is_padded=is_padded):
            with pytest.raises(OptionError, match=r"window|last columns|flattened"):
                Stream.of(model)
            continue
        stream = Stream.of(model)
        if stream.causal == causal and model.plan().output.size:
            yield model, stream


def streamed(folder: Path, stream: Stream, signal: NDArray[Any]) -> NDArray[Any]:
    """Return the outputs of every call of the program in a folder, for successive samples of a signal (C, samples)."""
    run, columns = library(folder), stream.columns
    header = (folder / "network.h").read_text()
    floats = int(header.partition("ARENA_BYTES ")[2].split()[0]) // 4
    shape = stream.plan.output.shape
    size = int(header.partition("_OUTPUTS ")[2].split()[0])
    arena = np.full(floats + GUARD, np.nan, "f4")
    arena[: stream.size] = 0
    outputs = list[NDArray[Any]]()
    for start in range(0, signal.shape[1], columns):
        output = np.full(size + GUARD, np.nan, "f4")
        run(arena, np.ascontiguousarray(signal[:, start : start + columns]), output)
        outputs.append(output[:size].reshape(shape))
        assert np.isnan(output[size:]).all()
        assert np.isnan(arena[floats:]).all()
    return np.stack(outputs)


@needs("gcc")
@pytest.mark.parametrize("number", range(NETWORKS))
def test_a_sliding_stream_has_the_outputs_for_the_last_window(tmp_path: Path, number: int) -> None:
    model, stream = next(islice(networks(causal=False), number, None))
    window, columns = model.input_shape[-1], stream.columns
    write_c(model, tmp_path, stream=True)
    assert stream.columns < window
    signal = np.random.default_rng(number).normal(size=(model.input_shape[0], 3 * window // columns * columns))
    signal = signal.astype("f4")
    actual = streamed(tmp_path, stream, signal)
    ends = [end for end in range(columns, signal.shape[1] + 1, columns) if end >= window]
    windows = np.stack([signal[:, end - window : end] for end in ends])
    assert_close(actual[-len(ends) :].reshape(len(ends), -1), model.predict(windows).reshape(len(ends), -1))


@needs("gcc")
@pytest.mark.parametrize("number", range(NETWORKS))
def test_a_causal_stream_has_the_columns_of_the_outputs_for_the_whole_signal(tmp_path: Path, number: int) -> None:
    model, stream = next(islice(networks(causal=True), number, None))
    write_c(model, tmp_path, stream=True)
    calls = model.input_shape[-1] // stream.columns
    signal = np.random.default_rng(number).normal(size=(1, *model.input_shape)).astype("f4")
    actual = streamed(tmp_path, stream, signal[0, :, : calls * stream.columns])
    actual = np.concatenate([*actual], axis=-1)
    assert_close(actual, model.predict(signal)[0][..., : actual.shape[-1]])


@needs("gcc")
@pytest.mark.parametrize("number", range(NETWORKS))
@pytest.mark.parametrize("causal", [False, True])
def test_the_example_reads_a_stream_and_the_self_test_passes(tmp_path: Path, causal: bool, number: int) -> None:
    model, stream = next(islice(networks(causal=causal), number, None))
    files = write_c(model, tmp_path, stream=True)
    program = build(tmp_path, ["example.c", "network.c"], NATIVE)
    state = ctypes.sizeof(ctypes.c_float) * stream.size
    assert files.report
    rows = files.report.layers
    assert all(state <= row.ram <= files.arena for row in rows)
    assert all(row.end - row.start <= row.ram for row in rows)
    assert subprocess.run([program, "--selftest"], capture_output=True, text=True).stdout == "passed\n"
    (tmp_path / "numbers.txt").write_text(" ".join(["0.5"] * 3 * stream.plan.input.size))
    done = subprocess.run([program, tmp_path / "numbers.txt"], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) % 3 == 0


@pytest.mark.parametrize("number", range(NETWORKS))
def test_a_causal_stream_has_the_layers_and_the_multiply_adds_of_its_samples(tmp_path: Path, number: int) -> None:
    model, stream = next(islice(networks(causal=True), number, None))
    length = 3 * stream.columns
    whole = write_c(model.with_input_shape((model.input_shape[0], length)), tmp_path / "whole").report
    part = write_c(model, tmp_path / "stream", stream=True).report
    assert whole
    assert part
    assert 3 * part.totals["multiply_adds"] == whole.totals["multiply_adds"]
    names = [{name for row in report.layers for name in row.layers} for report in (whole, part)]
    assert names[0] <= names[1] <= names[0] | {"outputs"}


@pytest.mark.parametrize(
    ("layers", "problem"),
    [
        ([cr.Conv1D(2, 3, dilation=2, padding="same"), cr.Flatten(), cr.Dense(2)], r"'conv1' .*\(\(4, 0\),\)"),
        ([cr.Conv1D(2, 3, padding=((2, 0),)), cr.Flatten(), cr.Dense(2)], "'dense1' reads a whole window"),
        ([cr.Conv1D(2, 2, padding=((1, 0),)), cr.Conv1D(2, 3)], "'conv2'"),
        ([cr.Conv1D(2, 2), cr.MaxPool1D(2), cr.Conv1D(2, 3)], "'pool1' leaves out"),
        ([cr.MaxPool1D(3, padding=1, stride=1)], "'pool1'"),
        ([cr.Conv1D(2, 3, padding=((2, 0),)), cr.Flatten()], "'conv1' has a flattened result"),
        ([cr.Conv1D(2, 3, padding=((2, 0),)), cr.Reshape((4, 8)), cr.Tanh()], "'tanh1' reads a whole window"),
    ],
)
def test_networks_that_a_stream_cannot_compute_exactly_are_refused(
    layers: list[Any], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=problem) as caught:
        write_c(cr.Sequential(layers, (2, 16), engine="numpy"), tmp_path / "unwritten", stream=True)
    assert not list(tmp_path.iterdir())
    assert "\n" not in str(caught.value)


def test_streams_are_of_one_dimension_and_of_floats(tmp_path: Path) -> None:
    image = cr.Sequential([cr.Conv2D(2, 3)], (2, 8, 8), engine="numpy")
    series = cr.Sequential([cr.Conv1D(2, 3)], (2, 8), engine="numpy")
    integers = Quantized(series, np.ones((2, 2, 8), "f4"))
    for model, options in ((image, {}), (series, {"int8": integers})):
        with pytest.raises(OptionError, match="stream"):
            write_c(model, tmp_path / "unwritten", stream=True, **options)
