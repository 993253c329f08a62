"""Names of parameters and gradients: which gradient belongs to which parameter, and what role a name suggests.

A name has containers and a last part, such as layers.0.W. The gradient of W may be called dW, grad_W, W_grad, W.grad,
grads.W or grad_layers.0.W; the words are data in `names.toml`.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from chainrule.custom.names import NAMES


class BaseName(NamedTuple):
    """The containers and the last part of a name, without the words that mark a gradient."""

    path: tuple[str, ...]
    last: str


class Match(NamedTuple):
    """A gradient that may belong to an array, and the rank of its naming scheme; the smallest is the most usual."""

    rank: int
    gradient: str


def owners(gradients: Iterable[str], arrays: Collection[str]) -> dict[str, str]:
    """Return name of an array → name of its gradient. Arrays without a gradient are omitted.

    If the names of several gradients match an array, the gradient with the most usual naming scheme is chosen. For
    example, "dW" and "grad_b" belong to "W" and "b".

    gradients   names of candidate gradients
    arrays      names of the arrays
    """
    by_base_name = dict[BaseName, list[str]]()
    for array in arrays:
        by_base_name.setdefault(_canonical(_own(array)), []).append(array)
    best = dict[str, Match]()
    for gradient in gradients:
        for rank, array in _possible_owners(gradient, arrays, by_base_name):
            if array != gradient and (array not in best or rank < best[array].rank):
                best[array] = Match(rank, gradient)
    matched = dict[str, str]()
    for array, match in best.items():
        matched[array] = match.gradient
    used = {*matched.keys(), *matched.values()}
    free_gradients = [name for name in gradients if name not in used]
    free_arrays = [name for name in arrays if name not in used]
    return matched | _related(free_gradients, free_arrays)


def role_of(name: str) -> str | None:
    """Return a parameter's role (w, b, gamma, beta or slope), inferred from its name; None for an unusual name."""
    last = _plain(_own(name).last)
    for role, words in NAMES.parameter_roles.items():
        if last in words:
            return role
    return None


def arrays_named(role: str, names: Iterable[str]) -> list[str]:
    """Return those of the names that are usual for a role, beginning with the most usual name."""
    words = NAMES.parameter_roles.get(role, (role,))
    by_word: dict[str, list[str]] = {word: [] for word in words}
    for name in names:
        word = _plain(_own(name).last)
        if word in by_word:
            by_word[word].append(name)
    return [*chain(*by_word.values())]


def _possible_owners(
    gradient: str, arrays: Collection[str], by_base_name: Mapping[BaseName, Sequence[str]]
) -> Iterable[tuple[int, str]]:
    """Yield (rank, array) for each array to which a gradient's name may refer.

    The rank is that of the naming scheme; a lower rank is more usual.
    """
    exact = gradient.removeprefix("d")
    if exact != gradient and exact in arrays:
        yield -1, exact
    ranks = dict[BaseName, int]()
    for rank, base_name in enumerate(_base_names(gradient)):
        ranks.setdefault(base_name, rank)
    for base_name, rank in ranks.items():
        for array in by_base_name.get(base_name, ()):
            yield rank, array


def _base_names(gradient: str) -> Iterator[BaseName]:
    """Yield the base names that a gradient's name may refer to, beginning with the most usual naming scheme."""
    *path, last = gradient.split(".")
    yield from _base_names_of_part(path, last)
    if path:  # grad_theta.W
        for plain in _plain_names(path[-1]):
            yield _canonical(BaseName((*path[:-1], plain), last))


def _base_names_of_part(path: Sequence[str], last: str) -> Iterator[BaseName]:
    """Yield the base names of a gradient that is marked in the last part of its name, or by a container."""
    if path and _plain(last) in NAMES.containers:  # W.grad
        yield _canonical(BaseName(tuple(path[:-1]), path[-1]))
        return
    outside = list(path)
    for place, part in enumerate(path):
        if _plain(part) in NAMES.containers:  # grads.W
            del outside[place]
            yield _canonical(BaseName(tuple(outside), last))
            break
    for plain in _plain_names(last):
        yield _canonical(BaseName(tuple(outside), plain))


def _plain_names(name: str) -> Iterator[str]:
    """Yield a name without the prefixes and suffixes of gradients."""
    plain = _plain(name).removesuffix("current")  # _grad_W_current
    for word in NAMES.prefixes:
        if plain.startswith(word):
            yield plain.removeprefix(word)
    for word in NAMES.suffixes:
        if plain.endswith(word):
            yield plain.removesuffix(word)


def _own(name: str) -> BaseName:
    """Return the base name of a parameter's name, without generic containers and attributes."""
    *path, last = name.split(".")
    if _plain(last) in NAMES.values and path:
        *path, last = path
    return BaseName(_specific(path), last)


def _canonical(name: BaseName) -> BaseName:
    return BaseName(tuple(map(_plain, _specific(name.path))), _plain(name.last))


def _specific(path: Iterable[str]) -> tuple[str, ...]:
    """Return the parts of a path without generic containers, such as params."""
    return tuple(part for part in path if _plain(part) not in NAMES.generic)


def _plain(part: str) -> str:
    """Convert a part of a name to lower case and remove its underscores."""
    return re.sub(r"_+", "", part).casefold()


def _related(gradients: Sequence[str], arrays: Sequence[str]) -> dict[str, str]:
    """Return array → gradient with the same role, such as weights → dw.

    A role is skipped unless exactly one array and exactly one gradient have it.

    gradients, arrays   names without a partner so far
    """
    related = dict[str, str]()
    for role, words in NAMES.parameter_roles.items():
        owners_of_role = [name for name in arrays if role_of(name) == role]
        candidates = list[str]()
        for gradient in gradients:
            *path, last = gradient.split(".")
            if any(base_name.last in words for base_name in _base_names_of_part(path, last)):
                candidates.append(gradient)
        if len(owners_of_role) == len(candidates) == 1:
            related[owners_of_role[0]] = candidates[0]
    return related
