"""Expressions of Python that are drawn."""

from collections.abc import Sequence

from hypothesis import strategies as st


def expressions(names: Sequence[str], forms: Sequence[str]) -> st.SearchStrategy[str]:
    """Draw expressions of names, and of forms such as "({0} + {1})" of other expressions."""
    return st.recursive(
        st.sampled_from(names),
        lambda inner: st.tuples(st.sampled_from(forms), inner, inner, inner).map(
            lambda drawn: drawn[0].format(*drawn[1:])
        ),
        max_leaves=8,
    )
