"""Linear notation of equations: indices, sums of them, and tensors with their indices in brackets.

An index is a letter or, once a cell's own numbers are put in, a whole number; a factor is 1, a letter or a number.
What is trivial is left out: 1·i is i, u + 0 is u.
"""

from collections.abc import Iterable

Index = str | int
OPERATORS = ("+", "−", "·")


def times(factor: Index, index: Index) -> Index:
    """Return s·i, worked out where both are numbers; a sum that is multiplied stands in parentheses."""
    if isinstance(factor, int) and isinstance(index, int):
        return factor * index
    if factor == 1 or index == 0:
        return index
    return f"{factor}·({index})" if _is_sum(index) else f"{factor}·{index}"


def plus(first: Index, second: Index) -> Index:
    """Return i+u, with spaces if there is a product: s·i + u."""
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    if first == 0 or second == 0:
        return second if first == 0 else first
    return f"{first} + {second}" if _has(first, second) else f"{first}+{second}"


def minus(first: Index, second: Index) -> Index:
    """Return h−u, with spaces if there is a product."""
    if isinstance(first, int) and isinstance(second, int):
        return first - second
    if second == 0:
        return first
    if first == 0:
        return f"−{second}"
    return f"{first} − {second}" if _has(first, second) else f"{first}−{second}"


def over(index: Index, divisor: Index) -> Index:
    """Return (h−u)/s."""
    if divisor == 1:
        return index
    return f"({index})/{divisor}" if _has(index) or _is_sum(index) else f"{index}/{divisor}"


def at(name: str, *indices: Index) -> str:
    """Return dw[o,c,u,v], with spaces if an index is an expression: x[c, i+u, j+v]; the bare name without indices."""
    texts = [str(index) for index in indices]
    if not texts:
        return name
    joint = ", " if any(operator in text for text in texts for operator in OPERATORS) else ","
    return f"{name}[{joint.join(texts)}]"


def sum_over(letters: Iterable[str]) -> str:
    """Return Σ_{o,u,v} and a space; nothing if there are no letters."""
    joined = ",".join(letter for letter in letters if letter)
    return f"Σ_{{{joined}}} " if joined else ""


def with_bar(name: str) -> str:
    """Return x̄, the tensor padded with zeros."""
    return f"{name}\u0304"


def letters(axes: int) -> tuple[str, ...]:
    """Return the index letters of a tensor with that many axes, without the sample axis."""
    return {0: (), 1: ("k",), 2: ("c", "j"), 3: ("c", "i", "j"), 4: ("o", "c", "u", "v")}.get(
        axes, tuple(f"i{axis}" for axis in range(axes))
    )


def _has(*parts: Index) -> bool:
    return any("·" in str(part) for part in parts)


def _is_sum(part: Index) -> bool:
    return any(operator in str(part) for operator in OPERATORS)
