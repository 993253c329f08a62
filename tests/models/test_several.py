"""Graphs with several inputs and outputs: predictions, training, evaluation and explanations."""

from typing import Any

import numpy as np
import pytest
from models.several import LOSSES, WEIGHTS, batch, model, nodes, scaled_batch
from numerical import assert_close

import chainrule as cr
from chainrule.errors import OptionError
from chainrule.layers import node


def single(whole: cr.Graph, output: str, **options: Any) -> tuple[cr.Graph, Any]:
    """Return the network with one of the outputs and the same weights, and a function that selects its inputs."""
    inputs, outputs = nodes()
    used = [each for each in inputs if each in node.ordered(outputs[output])]
    network = cr.Graph(used, outputs[output], engine="numpy", dtype="float64", loss=LOSSES[output], **options)
    renamed = {"dense1.w": "dense3.w", "dense1.b": "dense3.b"} if output == "size" else {}
    network.set_weights({name: whole.weights[renamed.get(name, name)] for name in network.weights})
    return network, lambda x: x[0] if output == "size" else x


def test_names_come_from_inputs_and_layers() -> None:
    a, b = cr.Input((3,)), cr.Input((2, 4), name="signal")
    y, z = (
        cr.Dense(2)(cr.Add()(cr.Dense(3, bias=False)(a, name="dense1"), cr.Dense(3, bias=False)(a)), name="head"),
        cr.Flatten()(b),
    )
    graph = cr.Graph((a, b), (y, z), engine="numpy")
    assert list(graph.weights) == ["dense1.w", "dense2.w", "head.w", "head.b"]
    assert (graph.input_names, graph.output_names) == (("input1", "signal"), ("head", "flatten1"))
    assert cr.Graph({"first": a, "second": b}, [y, z], engine="numpy").input_names == ("first", "second")


@pytest.mark.parametrize("engine", ["numpy", "compiled", "jax", "reference"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_the_weighted_sum_of_those_of_single_losses(engine: str, weighted: bool) -> None:
    whole, (x, y) = model(engine=engine), batch()
    whole.fit(
        x, y, epochs=1, loss=LOSSES, loss_weights=WEIGHTS, learning_rate=1e-9, standardize_targets=False, progress=False
    )
    weights = np.arange(1.0, 7) if weighted else None
    actual, loss, expected = whole.gradients(x, y, sample_weight=weights), 0.0, dict[str, Any]()
    for name, weight in WEIGHTS.items():
        network, select = single(whole, name)
        part = network.gradients(select(x), y[name], sample_weight=weights)
        loss += weight * part.loss
        for parameter, gradient in part.named.items():
            full = parameter.replace("dense1", "dense3") if name == "size" else parameter
            expected[full] = expected.get(full, 0) + weight * gradient
    assert_close(actual.loss, loss, dtype=float)
    assert actual.named.keys() == expected.keys()
    for name, gradient in actual.named.items():
        assert_close(gradient, expected[name], name=name)


def test_dense_outputs_and_outputs_that_other_layers_read() -> None:
    """The gradient of a map of classes, of its mean, and of a softmax that is not fused because a layer reads it."""
    x = cr.Input((2, 4, 5))
    y = cr.Softmax()(cr.Conv2D(3, 3)(x))
    graph = cr.Graph(x, {"map": y, "mean": cr.GlobalAveragePool2D()(y)}, engine="numpy", dtype="float64")
    labels = np.zeros((6, 2, 3), int)
    images, targets = batch()[0][0][:, :, :4, :5], (np.eye(3)[labels].transpose(0, 3, 1, 2), np.eye(3)[np.full(6, 2)])
    gradients, start = graph.gradients(images, targets).named, graph.parameters.copy()
    for name, (first, last) in graph.layout.items():
        direction = np.zeros_like(start)
        direction[first:last] = np.random.default_rng(first).normal(size=last - first)
        ends = list[float]()
        for step in (1e-6, -1e-6):
            graph.parameters[:] = start + step * direction
            ends.append(float(graph.gradients(images, targets).loss))
        slope = np.sum(gradients[name].reshape(-1) * direction[first:last])
        assert_close(slope, (ends[0] - ends[1]) / 2e-6, error=1e-7)
    graph.parameters[:] = start
    history = graph.fit(batch()[0][0][:, :, :4, :5], (labels, np.full(6, 2)), epochs=2, progress=False)
    assert history.loss[1] < history.loss[0]


def test_each_output_is_evaluated_and_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    whole, (x, y), held_out = model(), batch(), batch(5, seed=1)
    options: dict[str, Any] = {"loss": list(LOSSES.values()), "loss_weights": [1, 0.3], "standardize_targets": False}
    history = whole.fit(x, tuple(y.values()), epochs=2, validation_data=held_out, **options)
    evaluation = whole.evaluate(*held_out)
    parts = {name: single(whole, name) for name in y}
    expected = {
        name: network.evaluate(select(held_out[0]), held_out[1][name]) for name, (network, select) in parts.items()
    }
    assert evaluation["digit"].accuracy == expected["digit"].accuracy
    assert_close(evaluation["size"].r2, expected["size"].r2)
    assert_close(evaluation.loss, expected["digit"].loss + 0.3 * expected["size"].loss)
    assert history["validation_size_mean_absolute_error"][1] == evaluation["size"].mean_absolute_error
    assert history["val_digit_loss"][1] == evaluation.figures["digit_loss"] == evaluation["digit"].loss
    assert "digit accuracy" in capsys.readouterr().err
    with pytest.raises(OptionError, match="accuracy is not defined"):
        evaluation.accuracy  # noqa: B018
    with pytest.raises(OptionError, match="expected one of digit, size"):
        evaluation["other"]


def test_every_number_of_a_step_is_explained() -> None:
    whole, (x, y) = model(loss=LOSSES), batch(1)
    whole.fit(x, y, loss_weights=WEIGHTS, progress=False)
    trace = whole.trace(x, y)
    for name in trace.names:
        value = trace.explain(name, (0,) * trace[name].ndim).value
        assert value == trace[name].flat[0]
    assert_close(trace["softmax1.y"], whole.predict(x)["digit"][0])
    assert_close(trace["loss"], trace["loss_1.y"] + 0.3 * trace["loss_2.y"])
    assert_close(trace["loss_2.dp"], 0.3 * (whole.predict(x)["size"] - y["size"])[0])


@pytest.mark.parametrize("standardize", [False, True])
def test_inputs_are_normalized_and_targets_standardized_separately(standardize: bool) -> None:
    """Training is that on data which were normalized and standardized before, with these definitions."""
    (pixels, vector), y = scaled_batch(8)
    mean, deviation = y["size"].mean(0), y["size"].std(0)
    inputs = pixels / 255, (vector - vector.mean(0)) / vector.std(0)
    scaled = inputs, {**y, "size": (y["size"] - mean) / deviation} if standardize else y
    options: dict[str, Any] = {"loss": LOSSES, "epochs": 3, "batch_size": 4, "progress": False}
    whole, prepared = model(), model()
    history = whole.fit(
        (pixels, vector), y, standardize_targets=standardize, **options, validation_data=scaled_batch(8)
    )
    expected = prepared.fit(*scaled, standardize_targets=False, normalization="none", **options)
    assert_close(history.loss, expected.loss, dtype=float)
    assert_close(history.epochs[-1].validation_loss, prepared.evaluate(*scaled).loss, dtype=float)
    sizes = prepared.predict(scaled[0])["size"] * (deviation if standardize else 1) + (mean if standardize else 0)
    assert_close(whole.predict((pixels, vector))["size"], sizes)
    steps = [
        trained.train_step(*data, learning_rate=0.01).loss
        for trained, data in ((whole, ((pixels, vector), y)), (prepared, scaled))
    ]
    assert_close(*steps, dtype=float)


@pytest.mark.parametrize("kind", ["none", "scale", "standardize"])
def test_a_chosen_normalization_is_that_of_every_input(kind: str) -> None:
    x, y = scaled_batch(9)
    network = model(loss=LOSSES)
    network.fit(x, y, normalization=kind, progress=False)
    assert {part.kind for part in network.normalization.parts.values()} == {kind}


def test_forms_of_several_are_split_alike() -> None:
    """Divide inputs and targets by name and in order, also two vectors, which could be a list of two series."""
    draw = np.random.default_rng(0)
    a, b = cr.Input((3,), name="a"), cr.Input((4,), name="b")
    h = cr.Concatenate()(a, b)
    x, y = (
        (draw.normal(size=(20, 3)), draw.normal(size=(20, 4))),
        (draw.normal(size=(20, 2)), draw.normal(size=(20, 1))),
    )
    losses = list[Any]()
    for inputs, targets in ((x, y), (dict(zip("ab", x, strict=True)), dict(zip("cd", y, strict=True)))):
        network = cr.Graph([a, b], {"c": cr.Dense(2)(h), "d": cr.Dense(1)(h)}, engine="numpy", loss=["mse", "mse"])
        history = network.fit(inputs, targets, validation_split=0.3, progress=False)
        losses.append((history.epochs[0].validation_loss, network.parameters.tolist()))
    assert losses[0] == losses[1]
