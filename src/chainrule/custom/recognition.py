"""Pairing of an object's parameters with their gradients by name.

The gradient of a parameter W may be called dW, d_W, dLdW, dL_dW, grad_W, gW, nabla_W, delta_W, W_grad, W.grad,
grads["W"] or grads["dW"], in upper or lower case. If that leaves a parameter without a gradient, usual names of weights
are interchangeable (dw belongs to `weights`), and so are those of a bias.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

FAMILIES: dict[str, tuple[str, ...]] = {
    "w": ("w", "weight", "weights", "kernel", "kernels", "k", "filter", "filters", "f", "theta"),
    "b": ("b", "bias", "biases", "intercept"),
    "gamma": ("gamma", "g", "scale", "bw"),
    "beta": ("beta", "shift", "offset", "b", "bias", "bb"),
    "slope": ("slope", "slopes", "alpha"),
}
HOLDERS = ("params", "parameters", "param", "trainable", "learnable")  # containers of parameters
VALUES = ("data", "value", "values", "array", "val")  # attributes with the array of a parameter object
CONTAINERS = ("grads", "gradients", "grad", "gradient", "dparams", "derivatives", "derivs", "gradparams", "paramgrads")
PREFIXES = (
    *("d", "dld", "dlossd", "djd", "ded", "dcd", "dcostd", "dlby", "derrord"),
    *("grad", "gradient", "gradof", "gradientof", "gradients", "grads", "deriv", "derivative", "nabla", "partial"),
    *("del", "g", "delta", "δ"),
)
SUFFIXES = ("grad", "gradient", "gradients", "grads", "deriv", "derivative", "bar", "adjoint", "delta")

Stem = tuple[tuple[str, ...], str]  # the containers, and the last part without prefix or suffix


def owners(gradients: Iterable[str], held: Collection[str]) -> dict[str, str]:
    """Return the name of the gradient of each array that has one; the plainest name if there are several."""
    found: dict[str, tuple[int, str]] = {}
    by_stem: dict[Stem, list[str]] = {}
    for owner in held:
        by_stem.setdefault(_canonical(_own(owner)), []).append(owner)
    for name in gradients:
        for rank, owner in _possible_owners(name, held, by_stem):
            if owner != name and (owner not in found or rank < found[owner][0]):
                found[owner] = (rank, name)
    claimed = {gradient for _, gradient in found.values()}
    free = [name for name in held if name not in found and name not in claimed]
    related = _related([name for name in gradients if name not in claimed and name not in found], free)
    return {owner: gradient for owner, (_, gradient) in found.items()} | related


def family(name: str) -> str | None:
    """Return the usual role of a parameter of that name: w, b, gamma or beta."""
    last = _plain(_own(name)[1])
    return next((ours for ours, words in FAMILIES.items() if last in words), None)


def arrays_named(ours: str, held: Iterable[str]) -> list[str]:
    """Return the arrays that have a usual name of a parameter, the most usual first."""
    words = FAMILIES.get(ours, (ours,))
    ranked = [(words.index(word), name) for name in held if (word := _plain(_own(name)[1])) in words]
    return [name for _, name in sorted(ranked, key=lambda one: one[0])]


def _possible_owners(
    name: str, held: Collection[str], by_stem: Mapping[Stem, Sequence[str]]
) -> Iterable[tuple[int, str]]:
    """Yield the arrays whose gradient an array may be by its name, with the rank of that naming scheme."""
    exact = name.removeprefix("d")
    if exact != name and exact in held:
        yield -1, exact
    stems = dict[Stem, int]()
    for rank, stem in enumerate(_stems(name)):
        stems.setdefault(stem, rank)
    for stem, rank in stems.items():
        yield from ((rank, owner) for owner in by_stem.get(stem, ()))


def _stems(name: str) -> Iterable[Stem]:
    """Yield the names of parameters whose gradient an array may be, the likeliest first."""
    *path, last = name.split(".")
    plain = tuple(_plain(part) for part in path)
    inside = next((place for place, part in enumerate(plain) if part in CONTAINERS), None)
    if _plain(last) in CONTAINERS and path:  # W.grad
        yield _canonical((tuple(path[:-1]), path[-1]))
        return
    if inside is not None:
        outside = tuple(part for place, part in enumerate(path) if place != inside)
        yield _canonical((outside, last))
        path = list(outside)
    own = _plain(last)
    holders = tuple(path)
    yield from (_canonical((holders, own.removeprefix(word))) for word in PREFIXES if own.startswith(word))
    yield from (_canonical((holders, own.removesuffix(word))) for word in SUFFIXES if own.endswith(word))


def _own(name: str) -> Stem:
    """Return the containers and the name of a parameter, without generic containers and attributes."""
    *path, last = name.split(".")
    if _plain(last) in VALUES and path:
        *path, last = path
    return tuple(part for part in path if _plain(part) not in HOLDERS), last


def _canonical(stem: Stem) -> Stem:
    path, last = stem
    return tuple(_plain(part) for part in path if _plain(part) not in HOLDERS), _plain(last)


def _plain(part: str) -> str:
    """Return a part of a name without underscores, in lower case."""
    return re.sub(r"_+", "", part).casefold()


def _related(gradients: Iterable[str], free: Iterable[str]) -> dict[str, str]:
    """Pair arrays that are the only ones of their family with the only gradient of it: weights with dw."""
    wanted: Mapping[str, list[str]] = {ours: [] for ours in FAMILIES}
    given: Mapping[str, list[str]] = {ours: [] for ours in FAMILIES}
    for name in free:
        if (ours := family(name)) is not None:
            wanted[ours].append(name)
    for name in gradients:
        of = {ours for stem in _stems(name) for ours, words in FAMILIES.items() if stem[1] in words}
        for ours in of:
            given[ours].append(name)
    return {wanted[ours][0]: given[ours][0] for ours in FAMILIES if len(wanted[ours]) == 1 and len(given[ours]) == 1}
