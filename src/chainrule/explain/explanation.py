"""Explanations as text."""

from chainrule.explain.record import CellExplanation
from chainrule.explain.text import text


class Explanation(CellExplanation):
    """The explanation of one cell of a trace. The fields are described in docs/explaining.md."""

    def with_digits(self, digits: int) -> CellExplanation:
        """Return the same explanation with numbers rounded to ``digits`` significant digits.

        Errors   OptionError unless digits is between 1 and 17
        """
        return self if digits == self.digits or self.reexplain is None else self.reexplain(digits)

    def text(self, *, digits: int | None = None, everything: bool = False) -> str:
        """Return the explanation as text for a terminal.

        digits       significant digits; None: use the explanation's
        everything   include all terms, not only the largest

        Errors   OptionError unless digits is between 1 and 17
        """
        return text(self if digits is None else self.with_digits(digits), everything=everything)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()
