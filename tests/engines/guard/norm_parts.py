"""Draws calls of the parts of a divided batch normalization, and says in NumPy what they compute."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PARTS = {
    "batch_norm": ("batch_norm_moments", "batch_norm_statistics"),
    "batch_norm_inference": ("batch_norm_scale",),
    "batch_norm_dx": ("batch_norm_products", "batch_norm_coefficients", "batch_norm_combination"),
}


def drawn(
    name: str, draw: np.random.Generator, shape: tuple[int, ...], dtype: Any
) -> tuple[list[Array | None], dict[str, Any]]:
    """Draw the arrays that a part reads, for x of that shape, and its attributes."""
    count, channels = shape[:2]

    def some(*shape: int) -> Array:
        return draw.standard_normal(shape).astype(dtype)

    x, dy, mean, gamma = some(*shape), some(*shape), some(channels), some(channels)
    variance = np.abs(some(channels)) + 1
    cells, bias = int(np.prod(shape[2:])), some(channels) if draw.integers(2) else None
    result: dict[str, tuple[list[Array | None], dict[str, Any]]] = {
        "batch_norm_moments": ([x], {}),
        "batch_norm_statistics": ([np.abs(some(count, 2, channels))], {}),
        "batch_norm_scale": ([gamma, some(channels), mean, variance, bias], {"epsilon": 0.1}),
        "batch_norm_products": ([dy, x, mean], {}),
        "batch_norm_coefficients": ([some(count, 2, channels), gamma, variance], {"cells": cells, "epsilon": 0.1}),
        "batch_norm_combination": ([dy, x, mean, some(3, channels)], {}),
    }
    return result[name]


def expected(name: str, arrays: Any, options: dict[str, Any]) -> list[Array]:
    """Return what a part writes."""
    if name == "batch_norm_moments":
        (x,) = (_rows(each) for each in arrays)
        return [np.stack([x.mean(axis=2), x.var(axis=2)], axis=1)]
    if name == "batch_norm_statistics":
        means, variances = arrays[0][:, 0], arrays[0][:, 1]
        return [means.mean(axis=0), variances.mean(axis=0) + means.var(axis=0)]
    if name == "batch_norm_scale":
        gamma, beta, mean, variance, b = arrays
        factor = gamma / np.sqrt(variance + options["epsilon"])
        return [np.stack([beta + ((0 if b is None else b) - mean) * factor, factor])]
    if name == "batch_norm_coefficients":
        (along, total), gamma, variance = arrays[0].sum(axis=0), arrays[1], arrays[2] + options["epsilon"]
        many = len(arrays[0]) * options["cells"]
        tilt = along / variance / many
        return [along / np.sqrt(variance), total, np.stack([total / many, tilt, gamma / np.sqrt(variance)])]
    dy, x = _rows(arrays[0]), _rows(arrays[1])
    distance = x - arrays[2][:, None]
    if name == "batch_norm_products":
        return [np.stack([(dy * distance).sum(axis=2), dy.sum(axis=2)], axis=1)]
    level, tilt, scale = arrays[3][:, :, None]
    return [(scale * (dy - level - distance * tilt)).reshape(arrays[1].shape)]


def _rows(x: Array) -> Array:
    return x.reshape(*x.shape[:2], -1)
