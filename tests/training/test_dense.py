"""Dense targets: labels and numbers per position, ignored positions, class weights and metrics."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule.data.augmentation import Augmentation
from chainrule.data.normalization import Normalization
from chainrule.errors import DataError, OptionError
from chainrule.network import losses
from chainrule.operations import reference
from chainrule.training.metrics import Evaluation
from chainrule.training.samples import Preparation, Samples

SHAPE = (3, 4, 5)  # K, H, W


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def labels(count: int = 6, seed: int = 1, classes: int = SHAPE[0], shape: tuple[int, ...] = SHAPE[1:]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, (count, *shape))


def pixelwise(*ending: Any, outputs: int = 3, axes: int = 2, engine: str = "numpy") -> Any:
    layer = (cr.Conv2D if axes == 2 else cr.Conv1D)(outputs, 1)
    return cr.Sequential([layer, *ending], (2, *SHAPE[3 - axes :]), dtype="float64", engine=engine)


@pytest.mark.parametrize("name", [name for name in losses.NAMES if name not in losses.OF_SAMPLES])
def test_a_dense_loss_is_the_loss_of_each_position(name: str) -> None:
    p, t = np.abs(drawn(2, *SHAPE)) / 5, np.abs(drawn(2, *SHAPE, seed=1)) / 5
    rows = [np.moveaxis(array, 1, -1).reshape(-1, SHAPE[0]) for array in (p, t)]
    forward, backward = getattr(reference, name), getattr(reference, f"{name}_dp")
    assert_array_equal(forward(p, t).ravel(), forward(*rows))
    gradient = np.moveaxis(backward(p, t), 1, -1).reshape(-1, SHAPE[0])
    assert_array_equal(gradient, backward(*rows))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(
    ("ending", "y", "task"),
    [
        ([cr.Softmax()], "labels", "classification"),
        ([], "labels", "classification"),
        ([cr.Sigmoid()], "several", "multi-label"),
        ([], "numbers", "regression"),
    ],
)
def test_training_from_dense_targets(ending: list[Any], y: str, task: str, axes: int) -> None:
    """Train on targets that a layer of 1×1 kernels can compute; the loss falls, and the task is found."""
    x, model = drawn(60, 2, *SHAPE[3 - axes :]), pixelwise(*ending, axes=axes)
    scores = np.stack([x[:, 0], x[:, 1] - 1, x[:, 0] + x[:, 1]], axis=1)
    t = {"labels": scores.argmax(1), "several": (scores > 0).astype(float), "numbers": scores}[y]
    loss = {"labels": None, "several": None, "numbers": "mean_squared_error"}[y]
    history = model.fit(x, t, epochs=20, batch_size=6, learning_rate=0.05, loss=loss, progress=False)
    evaluation = model.evaluate(x, t)
    assert evaluation.task.name == task == model.task.name
    assert evaluation.loss < 0.5 * history.loss[0]
    assert model.predict(x).shape == (60, *SHAPE[:1], *SHAPE[3 - axes :])


def test_the_weights_of_positions_count_each_sample_once() -> None:
    """Ignore positions: the loss is the mean over the others, and the values of the ignored ones do not matter."""
    model, x, y = pixelwise(), drawn(6, 2, *SHAPE[1:]), labels()
    y[:, :2] = 9
    y[0, 2] = 9
    p = model.predict(x)
    expected, correct = [], []
    for n in range(6):
        counted = y[n] != 9
        rows, one_hot = p[n][:, counted].T, np.eye(3)[y[n][counted]]
        expected.append(reference.softmax_cross_entropy(rows, one_hot).mean())
        correct.append((rows.argmax(1) == y[n][counted]).mean())
    evaluation = model.evaluate(x, y, ignore_label=9, loss="softmax_cross_entropy")
    assert_close(evaluation.loss, np.mean(expected))
    outcome = model.fit(x, y, ignore_label=9, batch_size=6, progress=False, loss="softmax_cross_entropy")
    assert_close(outcome.loss[0], np.mean(expected))
    assert_close(outcome.measured[0], np.mean(correct))


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("options", [{"ignore_label": 9}, {"augmentation": "shift=1"}])
def test_the_accuracy_of_right_answers_is_1_and_a_run_goes_on(engine: str, options: Any, tmp_path: Path) -> None:
    x = drawn(60, 1, 8, 6).astype("f4")
    y = np.where((drawn(60, 8, 6, seed=2) > 0.5) & ("ignore_label" in options), 9, x[:, 0] > 0)
    for epochs in (1, 2):
        model = cr.Sequential([cr.Conv2D(2, 1), cr.Softmax()], (1, 8, 6), engine=engine)
        model.weights["conv1.w"][:] = [[[[-9]]], [[[9]]]]
        run = cr.Run(tmp_path / "run", resume=True, plots=False)
        steps: dict[str, Any] = {"epochs": epochs, "batch_size": 6, "learning_rate": 1e-9, "progress": False}
        history = model.fit(x, y, run=run, **steps, **options)
        assert len(history) == 10 * epochs
        assert_close(history.accuracy, np.ones(10 * epochs), dtype="f4")
        assert history.accuracy.max() <= 1


@pytest.mark.parametrize("outputs", [1, 3])
def test_class_weights_multiply_the_losses_of_their_positions(outputs: int) -> None:
    model = pixelwise(cr.Sigmoid() if outputs == 1 else cr.Softmax(), outputs=outputs)
    x, y = drawn(6, 2, *SHAPE[1:]), labels(classes=max(outputs, 2))
    weights = np.array([0.5, 2.0, 3.0])[: max(outputs, 2)]
    p, t = model.predict(x), y[:, None] if outputs == 1 else np.moveaxis(np.eye(3)[y], -1, 1)
    loss = reference.binary_cross_entropy if outputs == 1 else reference.categorical_cross_entropy
    expected = (loss(p, t.astype(float)) * weights[y]).mean()
    options = {"class_weight": dict(enumerate(weights)), "batch_size": 6, "progress": False}
    assert_close(model.fit(x, y, **options).loss[0], expected, dtype=float)


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (np.zeros((6, 3, 5), int), {}, r"targets of shape \(6, 3, 5\) for outputs 3×4×5; expected labels \(N, 4, 5\)"),
        (
            np.full((6, 4, 5), 7),
            {},
            r"label 7 of sample 0 at \(0, 0\) is outside the classes 0 … 2; .* set ignore_label",
        ),
        (np.full((6, 4, 5), 7), {"ignore_label": 7}, "all positions of sample 0 have the ignored label 7"),
        (np.full((6, 4, 5), 0.5), {}, "labels must be whole numbers, found float64"),
        (np.zeros((6, 3, 4, 5)), {"ignore_label": 7}, r"ignore_label 7 requires labels \(N, 4, 5\)"),
        (np.full((6, 3, 4, 5), np.nan), {}, "targets must be finite; the target of sample 0 is not"),
        (labels(), {"views": "flip"}, "views would move the images, but not their dense targets"),
        (labels(), {"ignore_label": 1.5}, "ignore_label 1.5: expected a whole number"),
    ],
)
def test_dense_targets_that_do_not_fit_are_refused(y: np.ndarray, options: dict[str, Any], message: str) -> None:
    with pytest.raises((DataError, OptionError), match=message):
        pixelwise(cr.Softmax()).fit(drawn(6, 2, *SHAPE[1:]), y, progress=False, **options)


@pytest.mark.parametrize("augmentation", ["flip", "shift=2", "shift=2,flip,reflect", "shift=1,rotation=20,scale=0.2"])
def test_augmentation_moves_masks_with_their_images(augmentation: str) -> None:
    """Each pixel of the image is its label + 1. A moved image then shows the label of each pixel, and 0 outside."""
    y = np.repeat(labels(40, shape=(2, 2)), 8, 1).repeat(6, 2)  # (40, 16, 12)
    y[:, :4] = 9
    x = np.where(y == 9, 3, y)[:, None] + 1.0
    network = cr.Sequential([cr.ReLU()], (1, 16, 12), dtype="float64")
    preparation = Preparation(network, Normalization("none"), Augmentation.parse(augmentation))
    samples = Samples.of(x, y, (3, 16, 12), ignore_label=9)
    moved, targets, weights = samples.batch(np.arange(40), preparation, epoch=1)
    assert weights is not None
    assert not np.array_equal(moved, x)
    shown = np.where(targets.any(1), targets.argmax(1) + 1, 0)
    agreement = 0.75 if "rotation" in augmentation else 1  # interpolated pixels differ from the nearest
    assert (np.abs(shown - moved[:, 0] % 4) < 0.5).mean() >= agreement
    assert_array_equal(targets.any(1), weights[:, 1] > 0)
    assert_close(weights[:, 1].mean((1, 2)), 1)


@pytest.mark.parametrize("augmentation", ["rotation=20", "scale=0.3", "shift=2", "rotation=20,scale=0.3,reflect"])
def test_numbers_that_count_are_not_mixed_with_the_outside(augmentation: str) -> None:
    x, y = drawn(30, 1, 9, 12), np.full((30, 2, 9, 12), 100.0)
    network = cr.Sequential([cr.ReLU()], (1, 9, 12), dtype="float64")
    preparation = Preparation(network, Normalization("none"), Augmentation.parse(augmentation))
    _, targets, weights = Samples.of(x, y, (2, 9, 12)).batch(np.arange(30), preparation, epoch=1)
    counts = np.ones((30, 9, 12), bool) if weights is None else weights[:, 1] > 0
    assert counts.mean() > 0.3
    assert_close(targets.transpose(0, 2, 3, 1)[counts], 100)


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_a_function_may_return_soft_labels_of_masks(share: float) -> None:
    x, y = drawn(8, 2, *SHAPE[1:]), labels(8)

    def soften(image: Any, target: Any, generator: Any) -> Any:
        return image, share * target + (1 - share) / 3

    model = pixelwise(cr.Softmax())
    options: dict[str, Any] = {"batch_size": 8, "optimizer": "sgd", "learning_rate": 1e-30, "normalization": "none"}
    history = model.fit(x, y, augmentation=cr.Augmentation(function=soften), **options, progress=False)
    t = share * np.moveaxis(np.eye(3)[y], -1, 1) + (1 - share) / 3
    assert history.loss[0] == pytest.approx(-(t * np.log(model.predict(x))).sum(1).mean(), rel=1e-9)


@pytest.mark.parametrize(
    "augmentation", ["flip", "shift=1", "rotation=9,reflect", "scale=0.1", "turn", "flip_vertical"]
)
def test_numbers_of_a_moved_image_are_refused_unless_they_stay(augmentation: str) -> None:
    x, y = drawn(8, 1, 6, 6), drawn(8, 2, seed=1)
    layers = [cr.Flatten(), cr.Dense(2)]
    for options, refused in (
        (augmentation, True),
        *((f"{augmentation},{allowed}", False) for allowed in ("keep_targets", "positions")),
        ("brightness=0.1", False),
    ):
        model = cr.Sequential(layers, (1, 6, 6), loss="mean_squared_error", engine="numpy")
        with pytest.raises(OptionError, match="or keep_targets") if refused else nullcontext():
            model.fit(x, y, augmentation=options, progress=False)
    for outputs, targets, loss in ((3, drawn(8, 3), "mean_squared_error"), (2, labels(8, 1, 1)[:, 0, 0] % 2, None)):
        other = cr.Sequential(
            [cr.Flatten(), cr.Dense(outputs), *([] if loss else [cr.Softmax()])], (1, 6, 6), loss=loss
        )
        with pytest.raises(OptionError, match="pairs of numbers"):
            other.fit(x, targets, augmentation=f"{augmentation},positions", progress=False)
    soft = np.tile([0.3, 0.7], (8, 1))  # probabilities of classes stay
    cr.Sequential([*layers, cr.Softmax()], (1, 6, 6)).fit(x, soft, augmentation=augmentation, progress=False)


def test_psnr_of_a_constant_error() -> None:
    """An error of a tenth of the range everywhere is 20 dB."""
    t = np.linspace(0, 2, 40).reshape(2, 1, 4, 5)
    regression = cr.network.tasks.REGRESSION
    assert_close(Evaluation(0.0, t + 0.2, t, regression).psnr, 20.0)
    assert Evaluation(0.0, t, t, regression).psnr == np.inf
    assert Evaluation(0.0, t, t * 0, regression).to_json()["psnr"] is None


def test_a_dense_evaluation_as_json_counts_pixels() -> None:
    samples = Samples.of(drawn(2, *SHAPE), labels(2), SHAPE)
    evaluation = Evaluation(0.5, samples.targets, samples.targets, classes=tuple("abc"))
    assert evaluation.figures == {"accuracy": 1.0, "mean_iou": 1.0, "mean_dice": 1.0, "loss": 0.5}
    rows = evaluation.to_json()["classes"]
    assert [row["iou"] for row in rows] == [1.0, 1.0, 1.0]
    assert sum(row["samples"] for row in rows) == 2 * 4 * 5
