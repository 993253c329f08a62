"""The activations that are defined in pieces, such as ReLU, and their gradients, element by element.

Comparisons use the real part, so that complex steps can differentiate the functions. NaN fails every comparison and so
propagates.

Derived step by step in docs/derivations/activations.md.
"""

import numpy as np

from chainrule.operations.reference.windows import Array, check_same, real_part


def relu(x: Array) -> Array:
    """Replace negative elements by zero; NaN propagates.

    y = max(0, x)

    Shapes   x any  →  y like x
    Kept     y
    Source   numpy-cnn eq. 31; Venchislaw, "ReLU"
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = 0 if real_part(x[e]) <= 0 else x[e]
    return y


def relu_dx(dy: Array, y: Array) -> Array:
    """dx = dy where y > 0, else 0: the derivative at 0 is 0

    Source   numpy-cnn eq. 32, with its text: zero at zero
    """
    check_same("relu_dx", dy=dy, y=y)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = 0 if real_part(y[e]) <= 0 else dy[e]
    return dx


def leaky_relu(x: Array, *, slope: float = 0.01) -> Array:
    """Scale negative elements by a small slope; NaN propagates.

    y = x where x > 0, else slope · x

    Shapes   x any  →  y like x
    Kept     x
    Source   numpy-cnn eq. 31, with a slope instead of the zero (Maas, Hannun, Ng 2013)
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = slope * x[e] if real_part(x[e]) <= 0 else x[e]
    return y


def leaky_relu_dx(dy: Array, x: Array, *, slope: float = 0.01) -> Array:
    """dx = dy where x > 0, else slope · dy"""
    check_same("leaky_relu_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = slope * dy[e] if real_part(x[e]) <= 0 else dy[e]
    return dx


def clip(x: Array, *, low: float, high: float) -> Array:
    """Limit every element to [low, high]; NaN propagates. ReLU6 is the case low = 0, high = 6.

    y = min(max(x, low), high)

    Shapes   x any  →  y like x
    Kept     x
    Source   Krizhevsky 2010, "Convolutional Deep Belief Networks on CIFAR-10" (ReLU6)
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        if real_part(x[e]) <= low:
            y[e] = low
        elif real_part(x[e]) >= high:
            y[e] = high
        else:
            y[e] = x[e]
    return y


def clip_dx(dy: Array, x: Array, *, low: float, high: float) -> Array:
    """dx = dy where low < x < high, else 0: the derivative at both bounds is 0"""
    check_same("clip_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = 0 if real_part(x[e]) <= low or real_part(x[e]) >= high else dy[e]
    return dx


def hard_sigmoid(x: Array) -> Array:
    """Approximate the sigmoid by three straight lines; NaN propagates.

    y = min(max(x + 3, 0), 6) / 6

    Shapes   x any  →  y like x
    Kept     x
    Source   Howard et al. 2019, "Searching for MobileNetV3"
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        if real_part(x[e]) <= -3:
            y[e] = 0
        elif real_part(x[e]) >= 3:
            y[e] = 1
        else:
            y[e] = (x[e] + 3) / 6
    return y


def hard_sigmoid_dx(dy: Array, x: Array) -> Array:
    """dx = dy / 6 where −3 < x < 3, else 0: the derivative at −3 and 3 is 0"""
    check_same("hard_sigmoid_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = 0 if real_part(x[e]) <= -3 or real_part(x[e]) >= 3 else dy[e] / 6
    return dx


def hard_swish(x: Array) -> Array:
    """Weight every element by its hard sigmoid; NaN propagates.

    y = x · min(max(x + 3, 0), 6) / 6

    Shapes   x any  →  y like x
    Kept     x
    Source   Howard et al. 2019, "Searching for MobileNetV3"
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        if real_part(x[e]) <= -3:
            y[e] = 0
        elif real_part(x[e]) >= 3:
            y[e] = x[e]
        else:
            y[e] = x[e] * (x[e] + 3) / 6
    return y


def hard_swish_dx(dy: Array, x: Array) -> Array:
    """dx = dy · (2 x + 3) / 6 where −3 < x < 3, else dy where x ≥ 3, else 0: the derivative at −3 is 0, at 3 it is 1"""
    check_same("hard_swish_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        if real_part(x[e]) <= -3:
            dx[e] = 0
        elif real_part(x[e]) >= 3:
            dx[e] = dy[e]
        else:
            dx[e] = dy[e] * ((2 * x[e] + 3) / 6)
    return dx


def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """Replace negative elements by an exponential that approaches −alpha; NaN propagates.

    y = x where x > 0, else alpha · (eˣ − 1)

    Shapes   x any  →  y like x
    Kept     x
    Source   Clevert, Unterthiner, Hochreiter 2015
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = x[e] if real_part(x[e]) > 0 else alpha * np.expm1(x[e])
    return y


def elu_dx(dy: Array, x: Array, *, alpha: float = 1.0) -> Array:
    """dx = dy where x > 0, else dy · alpha eˣ: the derivative at 0 is alpha"""
    check_same("elu_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = dy[e] if real_part(x[e]) > 0 else dy[e] * (alpha * np.exp(x[e]))
    return dx


def thresholded_relu(x: Array, *, threshold: float = 1.0) -> Array:
    """Keep elements above the threshold, and set the others to 0. NaN propagates.

    y = 0 where x ≤ threshold, else x

    Shapes   x any  →  y like x
    Kept     x
    Source   Konda et al. 2014
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = 0 if real_part(x[e]) <= threshold else x[e]
    return y


def thresholded_relu_dx(dy: Array, x: Array, *, threshold: float = 1.0) -> Array:
    """dx = 0 where x ≤ threshold, else dy"""
    check_same("thresholded_relu_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = 0 if real_part(x[e]) <= threshold else dy[e]
    return dx


def shrink(x: Array, *, threshold: float = 0.5, bias: float = 0.0) -> Array:
    """Set elements within ±threshold to 0, and move the others toward 0 by the bias.

    y = 0 where max(x, −x) ≤ threshold, else x + bias where x < 0, else x − bias

    Shapes   x any  →  y like x
    Kept     x
    Source   Donoho and Johnstone 1994
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        if abs(real_part(x[e])) <= threshold:
            y[e] = 0
        elif real_part(x[e]) < 0:
            y[e] = x[e] + bias
        else:
            y[e] = x[e] - bias
    return y


def shrink_dx(dy: Array, x: Array, *, threshold: float = 0.5, bias: float = 0.0) -> Array:
    """dx = 0 where max(x, −x) ≤ threshold, else dy"""
    check_same("shrink_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = 0 if abs(real_part(x[e])) <= threshold else dy[e]
    return dx


def selu(x: Array, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Array:
    """Multiply positive elements by gamma, and map the others to the interval from −gamma·alpha to 0.

    y = gamma · x where x > 0, else gamma · alpha · (eˣ − 1)

    Shapes   x any  →  y like x
    Kept     x
    Source   Klambauer et al. 2017
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = gamma * x[e] if real_part(x[e]) > 0 else gamma * alpha * np.expm1(x[e])
    return y


def selu_dx(dy: Array, x: Array, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Array:
    """dx = dy · gamma where x > 0, else dy · gamma · alpha · eˣ"""
    check_same("selu_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = dy[e] * gamma if real_part(x[e]) > 0 else dy[e] * gamma * alpha * np.exp(x[e])
    return dx
