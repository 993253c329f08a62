"""What is known about the layer that a learner's code should implement."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chainrule.check.parameters import ArrayLayout
from chainrule.layers import Layer


@dataclass(frozen=True)
class LearnerTask:
    """What is known about the layer that a learner's code should implement.

    against        the intended layer; None: determine it from the output or from the name of the class
    shape          shape of one input; None: choose one
    larger         another shape of one input; None: choose one
    layouts        the learner's layouts of x, y and the parameters, where they differ from this library's
    constants      names of arrays that are not parameters
    ties           "first" if max pooling must pass dy to the first of several largest elements; None: to any of them
    samples        "one" if the code should take one sample at a time; None: batches
    contract       how the code is called; None: find out
    course         name of a course whose contracts apply; None: no course
    options_given  whether the code was given those of the intended layer; if not, a dropout has its own probability
    """

    against: Layer | None = None
    shape: tuple[int, ...] | None = None
    larger: tuple[int, ...] | None = None
    layouts: Mapping[str, ArrayLayout] = field(default_factory=dict[str, ArrayLayout])
    constants: tuple[str, ...] = ()
    ties: str | None = None
    samples: str | None = None
    contract: str | None = None
    course: str | None = None
    options_given: bool = True


ANY_LAYER = LearnerTask()
