"""Augmentation: against SciPy, and as a function of (seed, step, sample) alone."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from scipy import ndimage

from chainrule.data import Augmentation
from chainrule.data.coloring import Draw
from chainrule.errors import OptionError
from chainrule.training.recipe import Recipe

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 2, 7, 6)).astype(np.float32)
SAMPLES = np.arange(100, 109)
ALL = Augmentation(shift=2, rotation=20, scale=0.2, flip=True)


def changed(
    augmentation: Augmentation,
    x: np.ndarray = X,
    samples: np.ndarray = SAMPLES,
    seed: int = 1,
    step: int = 2,
    **more: Any,
) -> np.ndarray:
    return augmentation.apply(x, Draw(seed, step, samples), **more)


def test_alternating_flips_show_every_image_both_ways_in_two_epochs() -> None:
    x, samples, alternating = np.broadcast_to(X[:1], (400, 2, 7, 6)), np.arange(400), Augmentation(flip="alternate")
    flipped = []
    for epoch in range(4):
        out = changed(alternating, x, samples, step=epoch)
        flipped.append(np.array([np.array_equal(image, X[0, :, :, ::-1]) for image in out]))
        assert np.all(flipped[-1] ^ np.array([np.array_equal(image, X[0]) for image in out]))
    assert 150 < flipped[0].sum() < 250
    assert_array_equal(flipped[0], ~flipped[1])
    assert_array_equal(flipped[0::2], flipped[0:1] * 2)
    assert_array_equal(flipped[1::2], flipped[1:2] * 2)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_positions_move_with_points_in_the_image(seed: int, is_square: bool, is_exact: bool) -> None:
    """Compare moved positions with the centers of moved spots, which are single pixels if pixels move by whole ones."""
    draw, (height, width) = np.random.default_rng(seed), (41, 41 if is_square else 53)
    exact = Augmentation(shift=4, flip=bool(seed % 2), flip_vertical=bool(seed % 3), turn=is_square)
    augmentation = exact if is_exact else replace(exact, rotation=25.0, scale=0.2)
    points = np.rint(draw.uniform(16, 25, (3, 2, 2)))  # samples, two points, x and y
    rows, columns = np.arange(height)[:, None], np.arange(width)
    x, y = points[..., 0, None, None], points[..., 1, None, None]
    spots = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (0.01 if is_exact else 5.0))
    samples = Draw(seed, 1, np.arange(3))
    moved = augmentation.apply(spots, samples)
    mass = moved.sum((2, 3))
    centers = np.stack([(moved * columns).sum((2, 3)) / mass, (moved * rows).sum((2, 3)) / mass], 2)
    positions = augmentation.move_positions(points.reshape(3, 4), samples, (height, width)).reshape(3, 2, 2)
    assert np.abs(positions - centers).max() <= (1e-9 if is_exact else 0.05)


def transformed(augmentation: Augmentation) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield each plane of the images, the inverse of its map (a matrix and an offset, for SciPy), and our result."""
    x = X.astype(np.float64)
    matrix, move = augmentation._inverse_maps(Draw(1, 2, SAMPLES))
    centre = (np.array(x.shape[2:]) - 1) / 2
    out = changed(augmentation, x, fill=-3.0)
    for n, c in np.ndindex(*x.shape[:2]):
        inverse = matrix[n].reshape(2, 2)
        yield x[n, c], inverse, centre - inverse @ (centre + move[n]), out[n, c]


@pytest.mark.parametrize("reflect", [False, True])
@pytest.mark.parametrize("amounts", [ALL, Augmentation(rotation=180), Augmentation(scale=0.9), Augmentation(shift=9)])
def test_against_scipy(amounts: Augmentation, reflect: bool) -> None:
    for image, inverse, offset, out in transformed(replace(amounts, reflect=reflect)):
        if reflect:
            expected = ndimage.affine_transform(image, inverse, offset, order=1, mode="mirror")
        else:
            padded = np.pad(image, 1, constant_values=-3.0)  # SciPy's edge is sharp, ours fades over a pixel
            offset = offset + 1 - inverse @ [1, 1]
            expected = ndimage.affine_transform(padded, inverse, offset, order=1, cval=-3.0)[1:-1, 1:-1]
        assert_close(out, expected, 200)


def test_amounts_are_within_their_limits() -> None:
    matrix, move = ALL._inverse_maps(Draw(5, 6, np.arange(3000)))
    inverse = matrix.reshape(-1, 2, 2)
    sizes = 1 / np.sqrt(np.abs(np.linalg.det(inverse)))
    angles = np.degrees(np.arctan2(inverse[:, 0, 1], inverse[:, 0, 0]))
    assert 0.8 <= sizes.min() < 0.81
    assert 1.19 < sizes.max() <= 1.2
    assert np.abs(angles).max() <= 20 + 1e-9
    assert angles.min() < -19 < 19 < angles.max()
    assert set(move.reshape(-1).tolist()) == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_does_not_depend_on_its_batch(dtype: Any) -> None:
    x = X.astype(dtype)
    together = changed(ALL, x)
    assert together.dtype == dtype
    assert_array_equal(changed(ALL, x), together)
    for order in (np.array([3]), np.arange(9)[::-1], np.array([8, 0, 5])):
        assert_array_equal(changed(ALL, x[order], SAMPLES[order]), together[order])
    assert_array_equal(changed(ALL, np.asfortranarray(x)), together)


def test_seed_step_and_sample_all_matter() -> None:
    base = changed(ALL)
    for other in ({"seed": 2}, {"step": 3}, {"samples": SAMPLES + 1}):
        assert not np.array_equal(changed(ALL, **other), base)


@given(
    shift=st.integers(0, 1000),
    rotation=st.floats(0, 180) | st.integers(0, 180) | st.floats(0, 180, width=32).map(np.float32),
    scale=st.floats(0, 1, exclude_max=True) | st.floats(0, 0.5, width=32).map(np.float32) | st.just(-0.0),
    flip=st.booleans() | st.just("alternate"),
    reflect=st.booleans(),
    others=st.dictionaries(st.sampled_from(("brightness", "contrast", "mixup", "cutmix")), st.floats(0, 1))
    | st.just({"turn": True, "flip_vertical": True, "cutout": 3}),
)
def test_written_and_read_it_is_the_same_to_the_last_bit(
    shift: int, rotation: Any, scale: Any, flip: bool | str, reflect: bool, others: dict[str, Any]
) -> None:
    augmentation = Augmentation(shift, rotation, scale, flip, reflect, **others)
    recipe = Recipe(augmentation=augmentation)
    assert Recipe.from_config(recipe.to_config()) == recipe
    parsed = Augmentation.parse(f" {augmentation}".replace(",", " , "))
    assert parsed == augmentation
    draw = Draw(1, 2, SAMPLES)
    for mine, read in zip(augmentation._inverse_maps(draw), parsed._inverse_maps(draw), strict=True):
        assert mine.tobytes() == read.tobytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shear=2", "unknown augmentation 'shear'; known: shift, rotation, scale, flip"),
        ("shift=2.5", "shift: expected a whole number, found '2.5'"),
        ("shift", "shift True: expected a whole number"),
        ("shift=-1", "shift -1: expected whole pixels from 0 to 1000"),
        ("shift=1001", "shift 1001: expected whole pixels from 0 to 1000"),
        ("rotation=x", "rotation: expected a number, found 'x'"),
        ("rotation=181", "rotation 181.0: expected degrees from 0 to 180"),
        ("scale=1", "scale 1.0: expected at least 0 and less than 1"),
        ("scale=nan", "scale nan: expected a finite number"),
        ("flip=1", "flip '1': expected True, False or 'alternate'"),
        ("reflect=1", "reflect '1': expected True or False"),
        ("shift=1,shift=2", "names shift twice"),
    ],
)
def test_parse_refuses(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Augmentation.parse(text)


@pytest.mark.parametrize(("shift", "flip"), [(1, False), (3, True), (0, True), (40, True)])
@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (3, 3, 7, 10)])
def test_whole_pixels_are_moved_to_the_bits_of_reading_between_them(shape, shift, flip) -> None:
    x, samples = RNG.normal(size=shape).astype(np.float32), np.arange(shape[0])
    whole = changed(Augmentation(shift=shift, flip=flip), x, samples, fill=-0.4)
    between = changed(Augmentation(shift=shift, flip=flip, rotation=1e-300), x, samples, fill=-0.4)
    assert_array_equal(whole, between)
