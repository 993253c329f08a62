"""What each operation says of itself, as data: its equation and the sentences that a learner reads.

One TOML file an operation family, under the file names of the other floors. Python loads them here; the page gets them
parsed, with the description of a network. An entry has

equation   "y[n,o] = b[o] + Σ_{c} w[o,c] · x[n,c]": the result, and sums of products of what is read. An index is a sum
           of letters and of letters times constants, or one over a constant. Constants are those of a window, each of
           its own axis: s stride, d dilation, p and q padding before the first row and column; c₀ the first channel of
           the group. u' is u, or KH−1−u where the kernel is flipped. Where a tensor has fewer axes than the equation
           has indices (a tied bias), the last indices are dropped.
reads      what the equation calls the tensors that the operation reads, in order; one that is not there (no bias) drops
           its summand
framed     a tensor written with a bar, x̄: its padding of zeros is part of it, and indices count from there
extended   a tensor written with a bar, whose entries are 0 outside
within     letters that run over one group only
words      what is said to a learner: sentences in order, as text or as {if = […], unless = […], text = "…"}; facts of
           the explained number stand in {braces}
called     the operation's name in a sentence, where it differs

An operation whose result is no sum of products (the winner of a pooling window, softmax, batch normalisation) has words
only; the rest of its explanation is a function in `chainrule.explain` and one in the page.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from chainrule.operations.equation import parse

FOLDER = Path(__file__).parent


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Return every operation's entry by name, its equation parsed (see `equation.parse`), as JSON has it."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        for name, entry in tomllib.loads(file.read_text(encoding="utf-8")).items():
            parsed = {"parsed": parse(entry["equation"])} if "equation" in entry else {}
            found[name] = {**entry, **parsed}
    return found


def fill(words: list[str | dict[str, Any]], facts: dict[str, Any]) -> str:
    """Return the sentences that hold: those whose `if` facts are all true and whose `unless` facts are all false."""
    said: list[str] = []
    for part in words:
        given: dict[str, Any] = {"text": part} if isinstance(part, str) else part
        if all(facts[name] for name in given.get("if", ())) and not any(
            facts[name] for name in given.get("unless", ())
        ):
            said.append(given["text"].format_map(facts))
    return "".join(said)
