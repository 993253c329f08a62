"""The step of training that the page shows: to the bits of training, and in parts that add up."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from web.bridge import call
from web.journey import entered, journey, waited
from web.looked_at import RECIPE, Watch, finished, layers, opened
from web.site import PAGE
from web.views.opened import number

from chainrule import zoo
from chainrule.data.augmentation import Augmentation
from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter
from chainrule.errors import DataError
from chainrule.layers import AveragePool2D, BatchNorm2D, Conv2D, Dense, Flatten, Layer, Sigmoid, Softmax, Tanh
from chainrule.models.model import Sequential
from chainrule.runs.jobs import DataChoice
from chainrule.training.loop import train
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.optimizers import SGD, Adam, AdamW, Momentum, RMSProp
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from chainrule.web import subjects
from chainrule.web.replaying import BatchStep
from chainrule.web.session import Session
from chainrule.web.subjects import PageSubject

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

NOBODY = threading.Event()
STEPS = 11
ULP = 2.0**-22  # of float32, and as much again for the order of its sums


def smooth_layers() -> list[Layer]:
    return [Conv2D(3, 3), BatchNorm2D(), Sigmoid(), AveragePool2D(2), Flatten(), Dense(3), Softmax()]


def plain_layers() -> list[Layer]:
    return [Conv2D(2, 3, stride=2), Tanh(), Conv2D(3, 2, padding="same"), Flatten(), Dense(3), Softmax()]


BODIES = {"dropout": layers, "smooth": smooth_layers, "plain": plain_layers}
OPTIMIZERS = {
    "adam": AdamW(0.01, weight_decay=0.1),
    "momentum": Momentum(0.05),
    "rmsprop": RMSProp(0.01, momentum=0.5),
    "sgd": SGD(0.1),
}


def subject_of(data: Path, body: Callable[[], list[Layer]], recipe: Recipe) -> PageSubject:
    model = Sequential(body(), (1, 8, 8), seed=recipe.seed, engine="numpy", name="stepped")
    moments = recipe.optimizer.init(model.parameters)
    return PageSubject("stepped", model, recipe, DataChoice(str(data)), moments=moments, fitted=False)


def checkpoints(data: Path, body: Callable[[], list[Layer]], recipe: Recipe) -> dict[int, list[np.ndarray]]:
    """Return parameters, statistics and moments after each step of training without the page."""
    subject = subject_of(data, body, recipe)
    training, _ = DataChoice(str(data)).load(recipe.seed)
    watch = Watch()
    train(subject.model.trainer(recipe, Samples.of_dataset(training, 3)), [watch])
    return watch.seen


@pytest.fixture(scope="module")
def shown(context: "BrowserContext") -> "Iterator[Page]":
    page = context.new_page()
    page.route("**/modules/**", lambda route: route.fulfill(path=PAGE / route.request.url.partition("/modules/")[2]))
    yield page
    page.close()


SHOWN = """async ([step, seed]) => {
  const load = (name) => import(`${location.origin}/modules/${name}`);
  const [{ serverSource }, { makeTrace }, { explain }, { sampleOf }] = await Promise.all(
    ["source/server.js", "engine/trace.js", "explain/index.js", "source/samples.js"].map(load));
  const source = serverSource();
  const [description, frame, samples, batch] = await Promise.all(
    [source.description(), source.frame(step), source.samples(), source.batchStep(step)]);
  const trace = makeTrace(description, frame, sampleOf(samples, 0), { batch });
  const changes = {}, parts = [];
  for (const name of Object.keys(description.layout)) {
    const [before, after] = [name, `${name}.update`].map((each) => trace.values.get(each).data);
    changes[name] = Array.from(after, (value, at) => value - before[at]);
    if (!trace.values.has(`${name}.g`)) continue;
    const at = Math.floor(seed * before.length);
    const shape = trace.values.get(name).shape;
    const index = shape.map((size, axis) => Math.floor(at / shape.slice(axis + 1).reduce((a, b) => a * b, 1)) % size);
    const { value, rounding, steps } = explain(trace, `${name}.update[${index.join(",")}]`);
    const gradient = trace.values.get(`${name}.g`).data[at];
    const images = await source.contributions(step, name, [at]).then(([row]) => row);
    parts.push({ value, rounding, gradient, images, before: before[at], length: steps.length });
  }
  return { changes, parts, images: batch.numbers.length };
}"""


@pytest.mark.parametrize(
    ("body", "optimizer"), [("dropout", "adam"), ("smooth", "momentum"), ("plain", "rmsprop"), ("plain", "sgd")]
)
def test_the_change_of_every_weight_is_that_between_two_checkpoints(
    shown: "Page", data: Path, body: str, optimizer: str
) -> None:
    random = np.random.default_rng(len(body) * 31 + len(optimizer))
    recipe = replace(RECIPE, optimizer=OPTIMIZERS[optimizer], clip_norm=0.4)
    expected = checkpoints(data, BODIES[body], recipe)
    with journey(subject_of(data, BODIES[body], recipe), steps=STEPS) as network:
        step = int(random.integers(0, STEPS + 1))  # the last one has not been taken yet
        shown.goto(network.address)
        found = shown.evaluate(SHOWN, [step, random.random()])
        shown.goto("about:blank")
        layout = network.session.subject.model.layout
    before, after = expected[step], expected[step + 1]
    learnt = network.session.subject.model.trainable_layout
    for name, change in found["changes"].items():
        place, buffer = slice(*layout[name]), 0 if name in learnt else 1
        assert_array_equal(change, after[buffer][place].astype(float) - before[buffer][place], err_msg=name)
    assert len(found["parts"]) == len(learnt)
    for part in found["parts"]:
        assert len(part["images"]) == found["images"]
        assert abs(sum(part["images"]) - part["gradient"]) <= 2e-6 * max(abs(each) for each in part["images"])
        scale = max(abs(part["before"]), abs(part["value"] - part["before"]))
        assert abs(part["rounding"]) <= ULP * scale + 1e-9


def test_an_image_contributes_what_it_would_alone(data: Path) -> None:
    recipe = replace(RECIPE, optimizer=Adam(0.01))
    session = opened(subject_of(data, plain_layers, recipe))
    finished(session)
    random = np.random.default_rng(3)
    step = int(random.integers(0, 27))
    found = session.batch_step(step, NOBODY)
    model = session.subject.model
    model.parameters[:] = found.before.parameters
    x, t, _ = found.batch
    alone = [
        Interpreter(loader.find("reference"), model.plan(recipe.loss), model.layout, model)
        .gradients(x[n : n + 1], t[n : n + 1], seed=recipe.seed, step=step + 1)[2]
        .copy()
        for n in range(len(x))
    ]
    for name, (first, last) in model.layout.items():
        index = int(random.integers(last - first))
        [own] = session.contributions(step, name, [index], NOBODY)
        assert_close(own, [each[first + index] / len(x) for each in alone])
    session.close()


def drawn_recipe(random: np.random.Generator) -> Recipe:
    """Draw options of a step: what it does to targets, to the batch, to the gradient and to single parameters."""
    return replace(
        RECIPE,
        optimizer=OPTIMIZERS[str(random.choice(list(OPTIMIZERS)))],
        label_smoothing=float(random.choice([0.0, 0.1, 0.3])),
        gradient_accumulation_steps=int(random.integers(1, 5)),
        lr_multipliers=LRMultipliers.parse(str(random.choice(["none", "conv1=0", "dense1.w=3,*1=0,dense1=1"]))),
        clip_norm=random.choice(np.array([None, 0.05, 5.0], object)),
        class_weight=random.choice(np.array([None, "balanced", "0=3,1=0.5"], object)),
        augmentation=None,
        seed=int(random.integers(1000)),
    )


def weighted(data: Path, folder: Path, random: np.random.Generator) -> Path:
    """Write the data with weights of the samples, and return the file."""
    arrays = dict(np.load(data))
    np.savez(folder / "weighted.npz", allow_pickle=False, **arrays, weights=random.uniform(0, 3, len(arrays["x"])))
    return folder / "weighted.npz"


def taken_by_the_page(modules: "Page", session: Session, step: int) -> dict[str, Any]:
    """Return the parameters and statistics after a step that the page takes from what the session says about it."""
    found = session.batch_step(step, NOBODY)
    x, t, weights = found.batch
    frame = {**vars(found.before), "moments": list(found.before.moments or ())}
    batch = {"x": list(found.images.reshape(len(x), -1)), "labels": [], "targets": t.reshape(len(x), -1).tolist()}
    batch["weights"] = None if weights is None else weights.reshape(len(x), -1).tolist()
    return call(modules, "train", session.description(), frame, [batch])


@pytest.mark.parametrize("draw", range(10))
def test_the_page_takes_the_step_of_the_run(modules: "Page", data: Path, tmp_path: Path, draw: int) -> None:
    random = np.random.default_rng(draw)
    recipe, body = drawn_recipe(random), list(BODIES.values())[draw % len(BODIES)]
    recipe = replace(recipe, augmentation=(None, Augmentation(mixup=1.0), Augmentation(shift=1))[draw % 3])
    data = weighted(data, tmp_path, random) if draw % 2 else data
    expected = checkpoints(data, body, recipe)
    session = opened(subject_of(data, body, recipe))
    finished(session)
    for step in (0, *random.integers(1, 27, 2).tolist(), 26):  # a batch of 4 is the last one of an epoch
        found = session.batch_step(step, NOBODY)
        assert_array_equal(found.before.parameters, expected[step][0])
        assert_array_equal(found.after.parameters, expected[step + 1][0])
        assert_array_equal(found.after.statistics, expected[step + 1][1])
        first, last = session.subject.model.layout["dense1.b"]
        sums = np.sum(session.contributions(step, "dense1.b", range(last - first), NOBODY), axis=1)
        assert_close(sums, found.gradient[first:last])
        taken = taken_by_the_page(modules, session, step)
        assert_close(taken["parameters"], found.after.parameters)
        assert_close(taken["statistics"], found.after.statistics)
    session.close()


SMALL = [entry.name for entry in zoo.ENTRIES if entry.build(engine="numpy").parameters.size < 300_000]


@pytest.mark.parametrize("name", [name for name in SMALL if name != "denoising-autoencoder"])  # its data are a download
def test_the_page_takes_the_step_of_every_network(modules: "Page", tmp_path: Path, name: str) -> None:
    subject, random = subjects.of_name(name, engine="numpy"), np.random.default_rng(len(name))
    model, (classes, *positions) = subject.model, subject.model.output_shape
    x, y = random.integers(0, 256, (9, *model.input_shape), dtype=np.uint8), random.integers(0, classes, 9)
    np.savez(tmp_path / "data.npz", allow_pickle=False, x=x, y=y, weights=random.uniform(0.5, 2, 9))
    choice = DataChoice("shapes", limit=9) if positions else DataChoice(str(tmp_path / "data.npz"))
    options: dict[str, Any] = {"batch_size": 3, "gradient_accumulation_steps": 2, "augmentation": None}
    options["class_weight"] = "balanced" if positions else None
    options["lr_multipliers"] = LRMultipliers.frozen(next(iter(model.trainable_layout)).partition(".")[0])
    recipe = replace(subject.recipe, optimizer=Momentum(0.1), clip_norm=1.0, **options)
    moments = recipe.optimizer.init(model.parameters)
    session = opened(replace(subject, recipe=recipe, moments=moments, choice=choice))
    assert not session.problem
    found, taken = session.batch_step(0, NOBODY), taken_by_the_page(modules, session, 0)
    assert_close(taken["parameters"], found.after.parameters)
    assert_close(taken["statistics"], found.after.statistics)
    session.close()


def numbers(folder: Path, *, floats: bool = False, **more: NDArray[Any]) -> str:
    random = np.random.default_rng(3)
    x, targets = random.integers(0, 256, (40, 1, 8, 7), dtype=np.uint8), random.normal(5, [1, 20], (40, 2))
    x = random.normal(3, 2, x.shape).astype(np.float32) if floats else x
    arrays = {"x": x, **(more or {"targets": targets})}
    test = {f"{name}_test": values[24:] for name, values in arrays.items()}
    np.savez(folder / "data.npz", allow_pickle=False, **{name: values[:24] for name, values in arrays.items()}, **test)
    return str(folder / "data.npz")


TASKS: dict[str, tuple[list[Layer], str, Callable[[Path], DataChoice]]] = {
    "regression": ([Dense(2)], "mean_squared_error", lambda folder: DataChoice(numbers(folder))),
    "one sigmoid": (
        [Dense(1), Sigmoid()],
        "binary_cross_entropy",
        lambda folder: DataChoice(numbers(folder, y=np.arange(40) % 2)),
    ),
    "masks": ([Conv2D(4, 1), Softmax()], "categorical_cross_entropy", lambda _: DataChoice("shapes", limit=24)),
    "floats": ([Dense(2)], "mean_squared_error", lambda folder: DataChoice(numbers(folder, floats=True))),
}


@pytest.mark.parametrize("task", TASKS)
def test_the_page_takes_the_step_of_every_task(modules: "Page", tmp_path: Path, task: str) -> None:
    ending, loss, choose = TASKS[task]
    body = [Conv2D(3, 3, padding="same"), BatchNorm2D(), Tanh()]
    between = [] if task == "masks" else [Flatten()]
    size = (1, 32, 32) if task == "masks" else (1, 8, 7)
    recipe = Recipe(loss=loss, optimizer=Momentum(0.01), batch_size=8, epochs=2)
    model = Sequential([*body, *between, *ending], size, seed=1, loss=loss, engine="numpy")
    moments = recipe.optimizer.init(model.parameters)
    session = opened(PageSubject(task, model, recipe, choose(tmp_path), moments=moments, fitted=False))
    finished(session)
    assert_close(taken_by_the_page(modules, session, 4)["parameters"], session.batch_step(4, NOBODY).after.parameters)
    session.close()


def weights_of(session: Session, found: BatchStep) -> NDArray[np.float64]:
    """Return the weights of a batch, by their definition: that of the sample times that of its class."""
    loaded, _ = session.subject.choice.load(session.subject.recipe.seed) if session.subject.choice else (None, None)
    assert loaded is not None
    assert loaded.weights is not None
    option, own = session.subject.recipe.class_weight, loaded.weights[found.numbers]
    counts = np.bincount(loaded.y, weights=loaded.weights, minlength=3)
    shares = {"None": np.ones(3), "balanced": counts.sum() / (3 * counts)}.get(str(option), np.array([3, 0.5, 1]))
    return own * shares[found.labels]


def test_the_gradient_of_a_step_is_that_of_pytorch(data: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    for draw in range(6):
        random = np.random.default_rng(draw)
        recipe = drawn_recipe(random)
        session = opened(subject_of(weighted(data, tmp_path, random), smooth_layers, recipe))
        finished(session)
        found = session.batch_step(int(draw * 5), NOBODY)
        model, count = session.subject.model, recipe.gradient_accumulation_steps
        model.parameters[:] = found.before.parameters
        values = {name: torch.tensor(model.weights[name], dtype=torch.float64) for name in model.trainable_layout}
        conv, bias, gamma, beta, w, b = (values[name].requires_grad_() for name in model.trainable_layout)
        edges = [part * len(found.labels or ()) // count for part in range(count + 1)]
        frozen = {name for name, factor in session.description()["step"]["factors"].items() if not factor}
        running = found.before.statistics.astype(np.float64).reshape(2, -1)
        statistics, is_frozen = [torch.tensor(row) for row in running], {"norm1.gamma", "norm1.beta"} <= frozen
        total = 0
        for low, high in itertools.pairwise(edges):
            y = functional.conv2d(torch.tensor(found.batch[0][low:high], dtype=torch.float64), conv, bias)
            y = functional.batch_norm(y, *statistics, gamma, beta, training=not is_frozen)
            scores = functional.linear(functional.avg_pool2d(torch.sigmoid(y), 2).flatten(1), w, b)
            labels, smoothing = torch.tensor((found.labels or [])[low:high]), recipe.label_smoothing
            losses = functional.cross_entropy(scores, labels, reduction="none", label_smoothing=smoothing)
            total += (losses * torch.tensor(weights_of(session, found)[low:high])).sum()
        (total / edges[-1]).backward()
        for name, (first, last) in model.trainable_layout.items():
            expected = np.zeros(last - first) if name in frozen else values[name].grad.numpy().ravel()
            np.testing.assert_allclose(found.gradient[first:last], expected, rtol=1e-4, atol=2e-6)
        session.close()


def test_steps_that_training_does_not_have(data: Path) -> None:
    session = opened(subject_of(data, plain_layers, RECIPE))
    with pytest.raises(DataError, match="there is no step 1 yet"):
        session.batch_step(1, NOBODY)
    finished(session)
    with pytest.raises(DataError, match="training ended with step 27"):
        session.batch_step(27, NOBODY)
    with pytest.raises(DataError, match=r"conv1\.w has no gradient at 18"):
        session.contributions(0, "conv1.w", [18], NOBODY)
    session.close()


def test_the_images_of_a_step_and_one_of_them(page: "Page", data: Path) -> None:
    recipe = replace(RECIPE, augmentation=None)
    with journey(subject_of(data, plain_layers, recipe), steps=STEPS) as network:
        entered(page, network.address, f"#/network/update/conv2.w.update[1,0,0,1]?step={STEPS - 2}")
        images = page.locator(".computation-batch-images button")
        images.first.wait_for()
        assert images.count() == 7 if (STEPS - 2) % 9 != 8 else 4
        assert f"step {STEPS - 1}," in page.locator("#phases .phase-words").first.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        mean = number(page.locator(".computation-batch-mean a").inner_text())
        gradients = [number(text) for text in images.locator(".number").all_inner_texts()]
        leading = page.locator(".computation-batch-paths h3").inner_text()
        assert number(leading.split()[-1]) == (max(gradients) if mean > 0 else min(gradients))
        gradient = images.first.locator(".number").inner_text()
        images.first.click()
        waited(page, lambda: "/backward/conv2.dw[1,0,0,1]" in page.url)
        waited(page, lambda: page.locator("output.computation-value").inner_text() == gradient)
        page.evaluate("history.go(-2)")
        page.get_by_role("button", name="This image alone").click()
        waited(page, lambda: "on the shown image alone" in page.locator("#phases .phase-words").first.inner_text())
        assert page.locator(".computation-batch").count() == 0
        page.goto("about:blank")  # which sends no requests to a stopped server


def test_the_line_of_an_image_is_its_entry_among_the_images_of_the_batch(page: "Page", data: Path) -> None:
    with journey(subject_of(data, smooth_layers, replace(RECIPE, augmentation=None)), steps=STEPS) as network:
        for image, weight in ((0, "conv1.w[1,0,2,1]"), (3, "dense1.w[2,5]")):
            entered(page, network.address, f"#/network/backward?image={image}&step=5&why={weight}")
            page.locator(".story-cause.image").wait_for()
            page.locator(".story-cause.batch").click(force=True)
            entry = page.locator(".story-image[aria-pressed=true]")
            entry.wait_for()
            listed = number((entry.get_attribute("title") or "").split(": ")[1].split(" ")[0])
            assert number(page.locator(".story-cause.image b.number").inner_text()) == pytest.approx(listed, rel=0.01)
        page.goto("about:blank")  # which sends no requests to a stopped server
