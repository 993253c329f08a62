"""What options of a recipe do during training: one component per option, called at named points of the loop.

To add an option, declare it in `options.OPTIONS` and `recipe.Recipe`. If it acts during training, write a component and
list it in `trainer.COMPONENTS`.
"""

from contextlib import AbstractContextManager, nullcontext

from chainrule.engines.protocol import Array


class Component:
    """Base class of components. By default, all methods do nothing.

    fused   whether engines that run whole training steps as one program do what `change_gradient` does
    """

    fused: bool = False

    @property
    def state(self) -> dict[str, Array]:
        """Arrays that a checkpoint needs, by name. A resumed training overwrites them in place."""
        return {}

    def change_gradient(self, gradient: Array, norm: float, step: int, seed: int) -> None:
        """Change the flat gradient of a step in place.

        norm   norm of the gradient
        step   number of the step, from 1
        seed   seed of random numbers
        """

    def stepped(self, step: int, steps: int) -> None:
        """Handle the end of step ``step`` (from 1) of ``steps``. The network has the weights after this step."""

    def evaluating(self) -> AbstractContextManager[None]:
        """Return a context in which the network has the weights to evaluate and save."""
        return nullcontext()

    def finish(self) -> None:
        """Give the network its final weights, at the end of training."""


class ClipNorm(Component):
    """Scales the gradient down to the norm ``limit`` if its norm is larger."""

    fused = True

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def change_gradient(self, gradient: Array, norm: float, step: int, seed: int) -> None:
        """Multiply the gradient by its clip factor."""
        factor = clip_factor(norm, self.limit)
        if factor != 1:
            gradient *= factor


def clip_factor(norm: float, limit: float | None) -> float:
    """Return the factor that clips a gradient: limit / (norm + 10⁻⁶) if the norm exceeds the limit, otherwise 1."""
    return limit / (norm + 1e-6) if limit is not None and norm > limit else 1.0
