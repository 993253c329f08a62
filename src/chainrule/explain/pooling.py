"""Explanation of the gradient of max pooling, whose sum runs over the windows that selected the cell."""

import numpy as np

from chainrule.explain.cells import CellContext
from chainrule.explain.record import Details, Term


def max_pool_dx(ctx: CellContext) -> Details:
    """Explain dx[c,h,k] = Σ dy[c,i,j] over the windows whose maximum is this cell."""
    winner = ctx.array(1)
    n = ctx.sample
    c, h, k = ctx.own_index
    flat = h * ctx.size[1] + k
    terms = list[Term]()
    for i, j in np.argwhere(winner[n, c] == flat).tolist():
        terms.append(Term.of(ctx.factor(0, (n, c, i, j))))
    dx = ctx.result
    dy = ctx.symbol_of(0)
    won = ctx.symbol_of(1)
    window = ctx.bracket(won, "c", "i", "j")
    symbols = f"{ctx.bracket(dx, 'c', 'h', 'k')} = Σ_{{{window}=h·W+k}} {ctx.bracket(dy, 'c', 'i', 'j')}"
    window_here = ctx.bracket(won, c, "i", "j", sample=n)
    dy_here = ctx.bracket(dy, c, "i", "j", sample=n)
    here = f"{ctx.bracket(dx, c, h, k, sample=n)} = Σ_{{{window_here}={flat}}} {dy_here}"
    words = ctx.sentences(lost=not terms, once=len(terms) == 1, windows=len(terms))
    return Details(words, symbols, here, tuple(terms))
