"""An explanation as text, for the terminal."""

from chainrule.explain.record import Explanation

WIDTH, HEIGHT = 100, 24
FEWEST = 5  # terms, however low the screen


def text(explanation: Explanation, *, everything: bool = False) -> str:
    raise NotImplementedError
