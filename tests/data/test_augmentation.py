"""Augmentation: pixels against SciPy, colors against Pillow, all outcomes of whole-pixel changes, and the text form."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from PIL import Image, ImageEnhance
from scipy import ndimage, stats

import chainrule as cr
from chainrule.data import Augmentation
from chainrule.data.coloring import Draw, jitter
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.training.examples import Examples
from chainrule.training.recipe import Recipe

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (40, 3, 9, 9), dtype=np.uint8)
IMAGE, SERIES = RNG.normal(size=(2, 4, 6)), RNG.normal(size=(2, 11))
FILL = np.array([7.0, -3.0]).reshape(2, 1, 1)


moves = st.builds(  # what moves pixels
    Augmentation,
    shift=st.integers(0, 3),
    rotation=st.sampled_from([0, 20, 180]),
    scale=st.sampled_from([0, 0.2, 0.9]),
    flip=st.sampled_from([False, True, "alternate"]),
    flip_vertical=st.booleans(),
    turn=st.booleans(),
    reflect=st.booleans(),
)


@given(moves, st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["f4", "f8"]))
def test_pixels_move_with_positions(augmentation: Augmentation, seed: int, interpolate: bool, dtype: str) -> None:
    """Compare with SciPy's interpolation at the inverse of the affine map of three positions."""
    size = (8, 8 if augmentation.turn else 11)
    x, samples = (
        np.random.default_rng(seed).normal(size=(5, 2, *size)).astype(dtype),
        Draw(seed, seed % 3, np.arange(5)),
    )
    moved = augmentation.move(x, samples, fill=FILL, interpolate=interpolate)
    assert interpolate is False or np.array_equal(augmentation.apply(x, samples, fill=FILL), moved)
    corners = np.tile([0.0, 0, 0, 1, 1, 0], (5, 1))  # x and y of the first pixel, the one below, and the one beside it
    positions = augmentation.move_positions(corners, samples, size).reshape(5, 3, 2)[..., ::-1]
    for n, c in np.ndindex(5, 2):
        origin, *ends = positions[n]
        inverse = np.linalg.inv(np.stack(ends, 1) - origin[:, None])
        if augmentation.reflect:
            image, offset, border = x[n, c], -inverse @ origin, {"mode": "mirror"}
        else:  # SciPy's edge is sharp, ours fades over a pixel
            fill = FILL[c].item()
            image, offset = np.pad(x[n, c], 1, constant_values=fill), 1 - inverse @ (origin + 1)
            border = {"cval": fill}
        expected = ndimage.affine_transform(image, inverse, offset, order=int(interpolate), **border)
        assert_close(
            moved[n, c], expected if augmentation.reflect else expected[1:-1, 1:-1], 3000
        )  # coordinates grow tenfold


def squares(size: int) -> list[np.ndarray]:
    """Return the image with a square of that size at every place, cut at the border."""
    near = [[np.arange(n) - at + size // 2 for at in range(n)] for n in IMAGE.shape[1:]]
    rows, columns = ([(offsets >= 0) & (offsets < size) for offsets in places] for places in near)
    return [np.where(np.outer(row, column), FILL, IMAGE) for row in rows for column in columns]


PADDED = np.concatenate([np.full((2, 3), FILL[:, 0]), SERIES, np.full((2, 3), FILL[:, 0])], 1)
OUTCOMES: dict[str, tuple[np.ndarray, list[np.ndarray]]] = {
    "turn": (PHOTOS[0] * 1.0, [np.rot90(PHOTOS[0], quarters, (1, 2)) for quarters in range(4)]),
    "flip,flip_vertical": (IMAGE, [IMAGE[:, ::row, ::column] for row in (1, -1) for column in (1, -1)]),
    "flip=alternate": (IMAGE, [IMAGE, IMAGE[..., ::-1]]),
    **{f"cutout={size}": (IMAGE, squares(size)) for size in (1, 2, 3)},
    "cutout=20": (IMAGE, [np.broadcast_to(FILL, IMAGE.shape)]),
    "shift=3": (SERIES, [PADDED[:, start : start + 11] for start in range(7)]),
}


@pytest.mark.parametrize("text", OUTCOMES)
def test_every_outcome_is_as_frequent(text: str) -> None:
    sample, expected = OUTCOMES[text]
    count, fill = 3000, FILL if len(sample) == 2 else 0.0
    x = np.broadcast_to(sample, (count, *sample.shape))
    out = Augmentation.parse(text).apply(x, Draw(3, 2, np.arange(count)), fill=fill)
    frequencies = np.array([(out == outcome).reshape(count, -1).all(1).sum() for outcome in expected])
    assert frequencies.sum() == count
    assert np.abs(frequencies - count / len(expected)).max() < 4 * np.sqrt(count / len(expected))
    assert_array_equal(x[0], sample)


def test_alternating_flips_show_every_image_both_ways_in_two_epochs() -> None:
    x = np.broadcast_to(IMAGE, (20, *IMAGE.shape))
    epochs = [Augmentation(flip="alternate").apply(x, Draw(1, epoch, np.arange(20))) for epoch in range(4)]
    for epoch in (0, 1):
        assert_array_equal(epochs[epoch], epochs[epoch + 2])
        assert_array_equal(epochs[epoch], epochs[epoch + 1][..., ::-1])


@pytest.mark.parametrize("text", ["scale=0.5,reflect", "scale=0.3,flip", "cutout=4,noise=0.2"])
def test_series_are_changed_as_images_of_one_row(text: str) -> None:
    x, samples = RNG.normal(size=(30, 2, 11)).astype(np.float32), Draw(3, 2, np.arange(30))
    changed = Augmentation.parse(text).apply(x, samples, fill=FILL)
    assert_array_equal(changed, Augmentation.parse(text).apply(x[:, :, None], samples, fill=FILL)[:, :, 0])


def test_amounts_fill_their_limits() -> None:
    samples, size = np.arange(3000), (7, 6)
    center = np.tile([2.5, 3, 2.5, 4], (3000, 1))
    augmentation = Augmentation(shift=2, rotation=20, scale=0.2, flip=True)
    middle, below = augmentation.move_positions(center, Draw(5, 6, samples), size).reshape(3000, 2, 2).swapaxes(0, 1)
    assert {*np.rint(middle - center[:, :2]).ravel()} == {-2, -1, 0, 1, 2}
    column, row = (below - middle).T
    amounts = [((0.8, 1.2), np.hypot(row, column)), ((-20.0, 20.0), np.degrees(np.arctan2(column, row)))]
    for change, limits in ((0.3, (0.7, 1.3)), (2.0, (0.0, 3.0))):
        x = np.full((3000, 1, 1, 1), 3.0)
        changed = Augmentation(brightness=change).apply(x, Draw(1, 0, samples), fill=2.0, levels=(2.0, None))
        amounts.append((limits, changed.ravel() - 2))
    for (low, high), actual in amounts:
        margin = (high - low) / 50
        assert low - 1e-9 <= actual.min() < low + margin
        assert high - margin < actual.max() <= high + 1e-9


ALL = "shift=2,rotation=20,scale=0.2,flip,turn,flip_vertical,brightness=0.3,contrast=0.5,cutout=3,noise=0.1"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_depends_on_seed_epoch_and_its_number_alone(dtype: Any) -> None:
    x, samples, augmentation = PHOTOS[:9].astype(dtype), np.arange(100, 109), Augmentation.parse(ALL)
    together = augmentation.apply(x, Draw(1, 2, samples))
    assert together.dtype == dtype
    for order in (np.arange(9), np.array([3]), np.arange(9)[::-1], np.array([8, 0, 5])):
        part = np.asfortranarray(x[order])
        assert_array_equal(augmentation.apply(part, Draw(1, 2, samples[order])), together[order])
    for other in (Draw(2, 2, samples), Draw(1, 3, samples), Draw(1, 2, samples + 1)):
        assert not np.array_equal(augmentation.apply(x, other), together)


@pytest.mark.parametrize("enhancer", ["Brightness", "Contrast"])
def test_colors_are_those_of_pillow(enhancer: str) -> None:
    """Pillow rounds gray levels and results to whole numbers."""
    column = ["Brightness", "Contrast"].index(enhancer)
    factors = np.ones((40, 2))
    factors[:, column] = np.linspace(0, 2, 40)
    colored = jitter(PHOTOS.astype(np.float64), factors, 0.0, 255.0)
    for image, factor, actual in zip(PHOTOS, factors[:, column], colored, strict=True):
        expected = getattr(ImageEnhance, enhancer)(Image.fromarray(image.transpose(1, 2, 0))).enhance(factor)
        np.testing.assert_allclose(actual, np.asarray(expected).transpose(2, 0, 1), atol=1.6)


@pytest.mark.parametrize("kind", ["scale", "standardize"])
def test_colors_do_not_depend_on_the_range_or_the_normalization_of_the_images(kind: str) -> None:
    """Train on the same photos as bytes, floats, shares and signed numbers: all get the colors of the bytes."""
    photos = PHOTOS.copy()
    photos[0, :, 0, :2] = 0, 255
    augmentation, order = Augmentation(brightness=0.5, contrast=0.5), cr.data.order(40, 1, 0)
    colored = augmentation.apply(photos[order] * 1.0, Draw(1, 0, order), levels=(0.0, 255.0))
    assert (colored.min(), colored.max()) == (0, 255)
    normalization = Normalization.fit(kind, photos)
    per_channel = [photos / 255, photos / 127.5 - 1]  # if they are standardized
    for x in (photos, photos * 1.0, photos * 64.0, *(per_channel if kind == "scale" else [])):
        model = cr.Sequential([cr.Flatten(), cr.Dense(2), cr.Softmax()], (3, 9, 9), dtype="float64", engine="numpy")
        recipe = Recipe(augmentation=augmentation, normalization=kind, seed=1, batch_size=40)
        inputs, *_ = model.trainer(recipe, Examples.of(x, np.arange(40) % 2, (2,))).loader.batch(0)
        np.testing.assert_allclose(inputs, normalization.apply(colored, np.float64), atol=1e-9)


def test_noise_is_normal() -> None:
    noise = Augmentation(noise=0.5).apply(np.zeros((300, 2, 11)), Draw(3, 2, np.arange(300)))
    assert stats.kstest(noise.ravel() / 0.5, stats.norm.cdf).pvalue > 1e-3


shares = st.floats(0, 1, exclude_max=True) | st.floats(0, 0.5, width=32).map(np.float32) | st.just(-0.0)
AMOUNTS = ("rotation", "scale", "brightness", "contrast", "noise")
SWITCHES = ("reflect", "flip_vertical", "turn", "keep_targets", "positions")
written = st.builds(
    Augmentation,
    shift=st.integers(0, 1000),
    flip=st.booleans() | st.just("alternate"),
    cutout=st.integers(0, 9),
    **dict.fromkeys(AMOUNTS, shares | st.integers(0, 0)),
    **dict.fromkeys(SWITCHES, st.booleans()),
)


@given(written)
def test_the_text_form_is_read_to_the_last_bit(options: Augmentation) -> None:
    recipe = Recipe(**{type(options).KIND: options})
    for parsed in (
        type(options).parse(f" {options}".replace(",", " , ")),
        getattr(Recipe.from_config(recipe.to_config()), type(options).KIND) or type(options)(),
    ):
        assert repr(parsed) == repr(options)


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("shear=2", (), "unknown augmentation 'shear'; known: shift, rotation, scale, flip"),
        ("shift=2.5", (), "shift: expected a whole number, found '2.5'"),
        ("cutout=1001", (), "cutout 1001: expected whole pixels from 0 to 1000"),
        ("rotation=181", (), "rotation 181.0: expected degrees from 0 to 180"),
        ("scale=1", (), "scale 1.0: expected at least 0 and less than 1"),
        ("flip=1", (), "flip '1': expected True, False or 'alternate'"),
        ("shift=1,shift=2", (), "names shift twice"),
        ("function=f", (), "only in Python"),
        ("turn", (1, 4, 5), "square"),
        ("shift=1", (6,), "expected series or images"),
    ],
)
def test_refused(text: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Augmentation.parse(text).check_shape(shape)


@pytest.mark.parametrize(
    "text", ["flip,positions=0-1", "flip=alternate,positions=0-1/2-3", "flip_vertical,flip,positions=1-0"]
)
def test_points_of_both_sides_are_exchanged_in_mirrored_images(text: str) -> None:
    """Of four points, the pairs that are named change their sides exactly where an image is mirrored."""
    samples, size = 200, (20, 30)
    places = np.random.default_rng(0).uniform(0, 19, (samples, 8))
    draw, chosen = Draw(3, 1, np.arange(samples)), Augmentation.parse(text)
    plain = Augmentation.parse(text.partition("positions")[0] + "positions")
    moved, expected = (part.move_positions(places, draw, size).reshape(-1, 4, 2) for part in (chosen, plain))
    points = places.reshape(-1, 4, 2)
    first, second = (array[:, 1] - array[:, 0] for array in (points, expected))
    third, fourth = (array[:, 2] - array[:, 0] for array in (points, expected))
    before, after = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] for a, b in ((first, third), (second, fourth)))
    is_mirrored = before * after < 0  # the triangle of three points turns the other way round
    assert 50 < is_mirrored.sum() < 150
    order = [1, 0, 3, 2] if "2-3" in text else [1, 0, 2, 3]
    assert_array_equal(moved[is_mirrored], expected[is_mirrored][:, order])
    assert_array_equal(moved[~is_mirrored], expected[~is_mirrored])
    assert str(Augmentation.parse(str(chosen))) == str(chosen)


def test_pairs_of_points_that_do_not_exist_are_refused() -> None:
    for text in ("positions=0", "positions=0-1-2", "positions=left-right"):
        with pytest.raises(OptionError, match="positions"):
            Augmentation.parse(f"flip,{text}")
    with pytest.raises(OptionError, match="from 0 to 1"):
        Augmentation.parse("flip,positions=0-7").move_positions(np.zeros((50, 4)), Draw(1, 1, np.arange(50)), (5, 5))
