"""An activation before max pooling is computed only for the largest cells if it grows."""

import numpy as np

from chainrule import layers
from chainrule.engines.compiled.passes.rewriting import rewrite
from chainrule.layers.kinds import EXAMPLES
from chainrule.network.network import Network
from chainrule.operations import reference

X = np.linspace(-9, 9, 3001)[None]


def test_only_what_grows_is_taken_after_pooling() -> None:
    moved: list[str] = []
    for name, (activation, *_) in EXAMPLES.items():
        row = [layers.Conv2D(4, 3), activation, layers.MaxPool2D(2), layers.Flatten(), layers.Dense(3)]
        plan = Network(row, (2, 9, 11), engine="numpy").plan("softmax_cross_entropy")
        names = [step.name for step in rewrite(plan, 8).forward]
        pooling = next(number for number, name in enumerate(names) if name.startswith("max_pool"))
        if names[pooling - 1].startswith(("cross_correlate", "correlate")):
            moved.append(name)
            assert (np.diff(getattr(reference, name)(X, **activation.attributes())) >= -1e-15).all(), name
    assert {"relu", "leaky_relu", "sigmoid", "tanh", "arctan", "elu", "softplus", "clip", "hard_sigmoid"} <= {*moved}
