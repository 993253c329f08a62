"""Explanation of the gradient of max pooling, whose sum runs over the windows that selected the cell."""

import numpy as np

from chainrule.explain.cells import CellContext
from chainrule.explain.record import Derivation, Term


def max_pool_dx(ctx: CellContext) -> Derivation:
    """Explain dx[c,h,k] = Σ dy[c,i,j] over the windows whose maximum is this cell."""
    winner = ctx.array(1)
    n, (c, h, k) = ctx.sample, ctx.own_index
    flat = h * ctx.size[1] + k
    terms = tuple(Term.of(ctx.factor(0, (n, c, int(i), int(j)))) for i, j in np.argwhere(winner[n, c] == flat))
    dx, dy, won = ctx.result, ctx.symbol_of(0), ctx.symbol_of(1)
    symbols = (
        f"{ctx.bracket(dx, 'c', 'h', 'k')} = Σ_{{{ctx.bracket(won, 'c', 'i', 'j')}=h·W+k}} "
        f"{ctx.bracket(dy, 'c', 'i', 'j')}"
    )
    here = (
        f"{ctx.bracket(dx, c, h, k, sample=n)} = Σ_{{{ctx.bracket(won, c, 'i', 'j', sample=n)}={flat}}} "
        f"{ctx.bracket(dy, c, 'i', 'j', sample=n)}"
    )
    words = ctx.sentences(lost=not terms, once=len(terms) == 1, windows=len(terms))
    return Derivation(words, symbols, here, terms)
