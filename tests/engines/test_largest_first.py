"""An activation before max pooling is computed only for the largest cells if it grows."""

from chainrule import layers
from chainrule.engines.compiled.passes.rewriting import rewrite
from chainrule.network.network import Network

GROWING = [
    *(layers.ReLU(), layers.LeakyReLU(), layers.LeakyReLU(0.0), layers.Sigmoid(), layers.Tanh(), layers.Arctan()),
    *(layers.ELU(), layers.Softplus(), layers.Clip(0, 6), layers.HardSigmoid()),
]
OTHERS = [layers.GELU(), layers.SiLU(), layers.HardSwish()]


def test_only_what_grows_is_taken_after_pooling() -> None:
    for activation in GROWING + OTHERS:
        row = [layers.Conv2D(4, 3), activation, layers.MaxPool2D(2), layers.Flatten(), layers.Dense(3)]
        plan = Network(row, (2, 9, 11), engine="numpy").plan("softmax_cross_entropy")
        names = [step.name for step in rewrite(plan, 8).forward]
        pooling = next(number for number, name in enumerate(names) if name.startswith("max_pool"))
        is_moved = names[pooling - 1].startswith(("cross_correlate", "correlate"))
        assert is_moved == (activation in GROWING), (activation, names)
