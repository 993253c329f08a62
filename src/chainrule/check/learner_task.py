"""What is known about the layer that a learner's code should implement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.layers import Layer


@dataclass(frozen=True)
class LearnerTask:
    """What is known about the layer that a learner's code should implement, and how the code is called.

    against    the intended layer; None: only the gradients are checked
    shape      shape of one input; None: choose one
    one_shape  whether the code may reject inputs of other shapes, because the shape was asked for
    larger     another shape of one input; None: choose one
    shapes     shapes of the parameters, if there is no intended layer
    options    values of the contract's options
    ties       "first" if max pooling must pass dy to the first of several largest elements; None: to any of them
    samples    "one" if the code should take one sample at a time; None: batches
    contract   how the code is called; None: propose it
    course     name of a course whose contracts apply; None: no course
    """

    against: Layer | None = None
    shape: tuple[int, ...] | None = None
    one_shape: bool = False
    larger: tuple[int, ...] | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ties: str | None = None
    samples: str | None = None
    contract: str | None = None
    course: str | None = None


ANY_LAYER = LearnerTask()
