"""Colors against Pillow, turns against NumPy, mixing against literal definitions, and all of it in training."""

import math
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from PIL import Image, ImageEnhance
from scipy import stats
from training.made import classifier, stripes

import chainrule as cr
from chainrule.core.randomness import uniform
from chainrule.data import Augmentation, Dataset, mixing
from chainrule.data.coloring import Draw, jitter
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Preparation, Samples

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (40, 3, 9, 9), dtype=np.uint8)
NUMBERS = np.arange(500, 540)
WHERE = Draw(3, 2, NUMBERS)


@pytest.mark.parametrize("enhancer", ["Brightness", "Contrast", "Color"])
def test_colors_are_those_of_pillow(enhancer: str) -> None:
    """Pillow rounds gray levels and results to whole numbers."""
    column = ["Brightness", "Contrast", "Color"].index(enhancer)
    factors = np.ones((40, 3))
    factors[:, column] = np.linspace(0, 2, 40)
    ours = jitter(PHOTOS.astype(np.float64), factors, 0.0, 255.0)
    for image, factor, result in zip(PHOTOS, factors[:, column], ours, strict=True):
        theirs = getattr(ImageEnhance, enhancer)(Image.fromarray(image.transpose(1, 2, 0))).enhance(factor)
        np.testing.assert_allclose(result, np.asarray(theirs).transpose(2, 0, 1), atol=1.6)


@pytest.mark.parametrize("kind", ["scale", "standardize"])
def test_colors_do_not_depend_on_the_range_or_the_normalization_of_the_images(kind: str) -> None:
    """Train on the same photos as bytes, floats, shares and signed numbers: all get the colors of the bytes."""
    photos = PHOTOS.copy()
    photos[0, :, 0, :2] = 0, 255
    augmentation = Augmentation(brightness=0.5, contrast=0.5, saturation=1)
    order = cr.data.order(40, 1, 0)
    colored = augmentation.apply(photos[order] * 1.0, Draw(1, 0, order), levels=(0.0, 255.0))
    assert (colored.min(), colored.max()) == (0, 255)
    assert np.abs(colored - photos[order]).mean() > 5
    normalization = Normalization.fit(kind, photos)
    per_channel = [photos / 255, photos / 127.5 - 1]  # if they are standardized
    for x in (photos, photos * 1.0, photos * 64.0, *(per_channel if kind == "scale" else [])):
        model = cr.Sequential([cr.Flatten(), cr.Dense(2), cr.Softmax()], (3, 9, 9), dtype="float64", engine="numpy")
        recipe = Recipe(augmentation=augmentation, normalization=kind, seed=1, batch_size=40)
        inputs, *_ = model.trainer(recipe, Samples.of(x, np.arange(40) % 2, 2)).loader.batch(0)
        np.testing.assert_allclose(inputs, normalization.apply(colored, np.float64), atol=1e-9)


def test_factors_are_within_their_limits() -> None:
    x, samples = np.ones((2000, 1, 1, 1)), np.arange(2000)
    for change, low, high in ((0.3, 0.7, 1.3), (2.0, 0.0, 3.0)):
        factors = Augmentation(brightness=change).apply(x, Draw(1, 0, samples)).ravel()
        assert low <= factors.min() < low + 0.01
        assert high - 0.01 < factors.max() <= high


def test_turns_and_vertical_flips_are_exact() -> None:
    x, samples = np.broadcast_to(PHOTOS[:1].astype(np.float32), (800, 3, 9, 9)), np.arange(800)
    out = Augmentation(turn=True).apply(x, Draw(1, 0, samples))
    turned = np.array([[np.array_equal(image, np.rot90(x[0], k, (1, 2))) for k in range(4)] for image in out])
    assert (turned.sum(1) == 1).all()
    assert (np.abs(turned.sum(0) - 200) < 50).all()
    out = Augmentation(flip=True, flip_vertical=True).apply(x, Draw(1, 0, samples))
    flips = (x[0], x[0][:, :, ::-1], x[0][:, ::-1], x[0][:, ::-1, ::-1])
    flipped = np.array([[np.array_equal(image, flip) for flip in flips] for image in out])
    assert (flipped.sum(1) == 1).all()
    assert (np.abs(flipped.sum(0) - 200) < 50).all()


@pytest.mark.parametrize("size", [1, 4, 5, 30])
def test_cutout_is_a_square_cut_at_the_border(size: int) -> None:
    x = np.ones((40, 2, 7, 10), np.float32)
    out = Augmentation(cutout=size).apply(x, WHERE, fill=-3.0)
    assert x.min() == 1
    heights: set[int] = set()
    for image in out:
        rows, columns = (np.flatnonzero((image[0] == -3).any(axis)) for axis in (1, 0))
        assert (image == np.where(np.outer(np.isin(range(7), rows), np.isin(range(10), columns)), -3, 1)).all()
        assert (np.diff(rows) == 1).all()
        assert (np.diff(columns) == 1).all()
        heights.add(len(rows))
    assert max(heights) == min(size, 7)
    assert len(heights) > 1 or size in (1, 30)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 3.0])
def test_shares_are_distributed_as_beta(alpha: float) -> None:
    u = uniform(0, 1, 2, np.arange(4000), 2)
    shares = np.array([mixing._beta(alpha, *row) for row in u.tolist()])
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-3
    assert 0 <= mixing._beta(alpha, 0.0, 0.3) <= 1
    assert 0 <= mixing._beta(alpha, math.nextafter(1, 0), 0.25) <= 1


def mixed(strengths: tuple[float, float], count: int = 60) -> tuple[np.ndarray, ...]:
    x, t = RNG.normal(size=(2 * count, 2, 8, 6)), np.eye(5)[RNG.integers(0, 5, 2 * count)]
    w = RNG.random(2 * count)
    return x, t, w, *mixing.mix(x, t, w, strengths, Draw(1, 2, np.arange(count)))


def shares_of(t: np.ndarray, mixed_targets: np.ndarray) -> np.ndarray:
    """Return λ of each sample from its target; NaN if its partner has the same label."""
    count = len(mixed_targets)
    own, partner = t[:count].argmax(1), t[count:].argmax(1)
    return np.where(own == partner, np.nan, mixed_targets[np.arange(count), own])


def test_mixup_is_a_weighted_sum_of_images_targets_and_weights() -> None:
    x, t, w, y, s, v = mixed((1.0, 0.0))
    shares = shares_of(t, s)
    known = ~np.isnan(shares)
    assert known.sum() > 20
    a = shares[known]
    expected = a[:, None, None, None] * x[:60][known] + (1 - a)[:, None, None, None] * x[60:][known]
    assert_close(y[known], expected)
    assert_close(v[known], a * w[:60][known] + (1 - a) * w[60:][known])
    assert_close(s.sum(1), 1)


def test_cutmix_pastes_a_rectangle_whose_area_is_the_share_of_its_label() -> None:
    x, t, _, y, s, _ = mixed((0.0, 1.0))
    areas: list[float] = []
    for n, share in enumerate(shares_of(t, s)):
        pasted = (y[n] == x[60 + n]).all(0)
        assert ((y[n] == x[n]).all(0) ^ pasted).all()
        rows, columns = pasted.any(1), pasted.any(0)
        assert np.array_equal(pasted, np.outer(rows, columns))
        assert all((np.diff(np.flatnonzero(line)) == 1).all() for line in (rows, columns))
        if not np.isnan(share):
            assert_close(share, 1 - pasted.mean())
        areas.append(pasted.mean())
    assert min(areas) < 0.2 < max(areas)


def test_both_are_used_for_about_half_of_the_samples() -> None:
    x, _, _, y, *_ = mixed((1.0, 1.0), 400)
    cut = ((y == x[:400]) | (y == x[400:])).all((1, 2, 3))
    assert 140 < cut.sum() < 260


def trained(augmentation: Any, x: np.ndarray, y: np.ndarray, **options: Any) -> np.ndarray:
    model = classifier(**{"threads": 1, **options.pop("model", {})})
    model.fit(x, y, epochs=2, batch_size=50, augmentation=augmentation, progress=False, **options)
    return model.parameters.copy()


ALL = Augmentation(brightness=0.3, contrast=0.2, cutout=3, turn=True, flip_vertical=True, mixup=0.4, cutmix=1.0)


def test_batches_do_not_depend_on_the_engine_threads_or_the_source_of_the_data() -> None:
    """The same bits on each engine with 1 and 3 threads, from arrays, pairs, and processes that read ahead."""
    x, y = stripes(210)
    loaded = trained(ALL, x, y)
    assert not np.array_equal(loaded, trained(None, x, y))
    pairs = [(image, label) for image, label in zip(x, y, strict=True)]
    for readers in (0, 2):
        np.testing.assert_array_equal(trained(ALL, pairs, None, readers=readers), loaded)
    recipe, batches = Recipe(augmentation=ALL, batch_size=50), list[tuple[np.ndarray, ...]]()
    for engine, threads in (("numpy", 1), ("compiled", 1), ("compiled", 3)):
        trainer = classifier(engine=engine, threads=threads).trainer(recipe, Samples.of(x, y, (3,)))
        steps = [trainer.loader.batch(number) for number in range(8)]
        batches.append(tuple(np.concatenate([step[part] for step in steps]) for part in (0, 1)))
    for batch in batches[1:]:
        for ours, theirs in zip(batch, batches[0], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_batch_of_an_iterable_is_mixed_with_its_own_samples() -> None:
    x, y = stripes(150)
    batches = [(x[n : n + 50], y[n : n + 50]) for n in range(0, 150, 50)]
    model = classifier(dtype="float64")
    recipe = Recipe(augmentation=Augmentation(mixup=1.0), batch_size=50, normalization="none")
    from chainrule.training.streams import BatchStream

    stream = BatchStream(batches, lambda x, y: Samples.of(x.astype(float), y, (3,)))
    trainer = model.trainer(recipe, stream)
    for step in (0, 1, 4):
        mixed_x, mixed_t, _ = trainer.loader.batch(step)
        own, labels = batches[step % 3]
        for image, target in zip(mixed_x, mixed_t, strict=True):
            assert_close(target.sum(), 1)
            assert image.max() <= own.max()
        assert set(np.flatnonzero(mixed_t.any(0))) <= set(labels)


def test_a_function_of_the_image_the_target_and_a_generator() -> None:
    """It receives copies, and a generator that depends on seed, epoch and sample alone."""
    x, y = stripes(120)
    calls: dict[tuple[int, ...], list[float]] = {}

    def swap(image: np.ndarray, target: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        assert image.shape == (1, 8, 8)
        assert target.shape == (3,)
        calls.setdefault(tuple((image * 255).round().astype(int).ravel()), []).append(generator.random())
        image += 1.0  # of the copy
        return image[:, ::-1] - 1.0, np.roll(target, 1)

    augmentation = Augmentation(function=swap)
    first = trained(augmentation, x, y)
    drawn, kept = dict(calls), x.copy()
    calls.clear()
    np.testing.assert_array_equal(trained(augmentation, x, y, model={"threads": 2}), first)
    assert calls == drawn
    assert all(len(values) == len(set(values)) for values in drawn.values())
    np.testing.assert_array_equal(x, kept)
    turned = trained(None, x[:, :, ::-1], np.roll(np.eye(3)[y], 1, axis=1))
    assert_close(first, turned)


def test_masks_move_with_turns_and_keep_their_labels_under_a_cutout() -> None:
    x = RNG.integers(0, 255, (6, 1, 5, 5), dtype=np.uint8)
    labels = x[:, 0] % 3
    samples = Samples.of(x, labels, (3, 5, 5))
    plain = cr.Sequential([cr.ReLU()], (1, 5, 5)), Normalization("none")
    for augmentation in (Augmentation(turn=True, flip_vertical=True, flip=True), Augmentation(cutout=2)):
        moved_x, moved_t, _ = samples.batch(np.arange(6), Preparation(*plain, augmentation, 1))
        kept = moved_x[:, 0] if augmentation.turn else x[:, 0]
        np.testing.assert_array_equal(moved_t.argmax(1), kept.astype(int) % 3)
        assert not np.array_equal(moved_x, x)


@pytest.mark.parametrize(
    ("augmentation", "shape", "message"),
    [
        ("turn", (1, 4, 5), "square"),
        ("saturation=0.2", (1, 4, 4), "3 channels"),
        ("brightness=11", (1, 4, 4), "brightness 11.0: expected a number from 0 to 10"),
        ("cutout=-1", (1, 4, 4), "cutout -1: expected whole pixels"),
        ("function=f", (1, 4, 4), "only in Python"),
        ("cutmix=0.2", (6,), "expected images"),
        ("shift=1", (6,), "expected series or images"),
        ("rotation=3", (2, 11), "expected images"),
        ("gain=0.1", (1, 4, 4), "use brightness"),
    ],
)
def test_refused(augmentation: str, shape: tuple[int, ...], message: str) -> None:
    model = cr.Sequential(
        [cr.Flatten(), cr.Dense(2), cr.Softmax()] if len(shape) > 1 else [cr.Dense(2), cr.Softmax()], shape
    )
    with pytest.raises(OptionError, match=message):
        model.fit(
            np.ones((4, *shape)) * np.arange(4).reshape(4, *(1 for _ in shape)), [0, 1, 0, 1], augmentation=augmentation
        )


def test_unusable_functions_and_mixed_masks_are_refused(tmp_path: Any) -> None:
    x, y = stripes(40)
    for function in (lambda image, target, generator: image, lambda image, target, generator: (image[0], target)):
        with pytest.raises(OptionError, match="an image and a target of the shapes"):
            trained(Augmentation(function=function), x, y)
    keeps = Augmentation(function=lambda image, target, generator: (image, target))
    with pytest.raises(cr.RunError, match="augmentation"):
        classifier().fit(x, y, augmentation=keeps, run=cr.Run(tmp_path / "run"), progress=False)
    segmenting = cr.Sequential([cr.Conv2D(3, 1), cr.Softmax()], (1, 8, 8))
    with pytest.raises(OptionError, match="one per position"):
        segmenting.fit(Dataset(x, x[:, 0].astype(np.int64) % 3), augmentation="cutmix=1")


SERIES = RNG.normal(size=(300, 2, 11)).astype(np.float32)
EVERY = Draw(3, 2, np.arange(300))


def test_series_are_moved_reversed_and_masked_along_their_axis() -> None:
    """All changes occur, and each is one of NumPy."""
    padded, places = np.pad(SERIES, ((0, 0), (0, 0), (3, 3)), constant_values=7), np.arange(11)
    changes: dict[str, Any] = {
        "shift=3": [padded[:, :, start : start + 11] for start in range(7)],
        "flip": [SERIES, SERIES[..., ::-1]],
        "cutout=4": [np.where((places >= first) & (places < first + 4), 7, SERIES) for first in range(-2, 9)],
    }
    for text, expected in changes.items():
        out = Augmentation.parse(text).apply(SERIES, EVERY, fill=np.full((2, 1, 1), 7.0))
        matches = np.array([(out == each).all((1, 2)) for each in expected])
        assert (matches.any(0).all(), matches.any(1).all()) == (True, True), text
    ramp = np.broadcast_to(np.arange(11.0), (300, 2, 11))
    slopes = np.diff(Augmentation(scale=0.5, reflect=True).apply(ramp, EVERY)[:, :, 4:7])
    assert_close(slopes[:, 0, 0], slopes[:, 1, 1])
    assert 1 / 1.5 <= slopes.min() < 0.68 < 1.9 < slopes.max() <= 2


@pytest.mark.parametrize("shape", [(300, 5), (300, 2, 11)])
def test_gain_and_noise(shape: tuple[int, ...]) -> None:
    x, zero = RNG.normal(size=shape), np.arange(shape[1]).reshape(-1, 1, 1) / 4
    base = zero.reshape(-1, *[1] * (len(shape) - 2))
    factors = (Augmentation(gain=0.3).apply(x, EVERY, fill=zero) - base) / (x - base)
    assert np.ptp(factors.reshape(300, -1), axis=1).max() < 1e-9
    assert 0.7 <= factors.min() < 0.71 < 1.29 < factors.max() <= 1.3
    noisy = Augmentation(noise=0.5).apply(x, EVERY)
    assert stats.kstest(((noisy - x) / 0.5).ravel(), stats.norm.cdf).pvalue > 1e-3
    np.testing.assert_array_equal(Augmentation(noise=0.5).apply(x[7:9], Draw(3, 2, np.arange(7, 9))), noisy[7:9])


@pytest.mark.parametrize("text", ["gain=0.3,noise=0.1,mixup=0.4", "shift=2,scale=0.1,flip,cutout=3,noise=0.2,mixup=1"])
def test_batches_of_series_are_the_same_on_all_engines(text: str) -> None:
    layers, recipe = [cr.Flatten(), cr.Dense(3), cr.Softmax()], Recipe(augmentation=text, batch_size=16, epochs=3)
    samples = Samples.of(SERIES[:40], np.arange(40) % 3, 3)
    models = [cr.Sequential(layers, (2, 11), engine=engine) for engine in ("numpy", "compiled")]
    for ours, theirs in zip(*(model.trainer(recipe, samples).loader.batch(4)[:2] for model in models), strict=True):
        np.testing.assert_array_equal(ours, theirs)
