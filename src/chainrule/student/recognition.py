"""Which of an object's arrays is the gradient of which, by their names.

Beside a parameter W its gradient may be called dW, d_W, dLdW, dL_dW, grad_W, gW, nabla_W, delta_W, W_grad, W.grad,
grads["W"] or grads["dW"], whatever the case. Where that leaves a parameter alone, the usual words for weights stand for
each other (dw belongs to `weights`), and so do those for a bias.
"""

import re
from collections.abc import Collection, Iterable, Mapping

FAMILIES: dict[str, tuple[str, ...]] = {
    "w": ("w", "weight", "weights", "kernel", "kernels", "k", "filter", "filters", "f", "theta"),
    "b": ("b", "bias", "biases", "intercept"),
    "gamma": ("gamma", "g", "scale"),
    "beta": ("beta", "shift", "offset", "b", "bias"),
}
HOLDERS = ("params", "parameters", "param", "trainable", "learnable")  # containers of parameters
VALUES = ("data", "value", "values", "array", "val")  # where an object of a parameter's own keeps its numbers
CONTAINERS = ("grads", "gradients", "grad", "gradient", "dparams", "derivatives", "derivs", "gradparams", "paramgrads")
PREFIXES = (
    *("d", "dld", "dlossd", "djd", "ded", "dcd", "dcostd", "dlby", "derrord"),
    *("grad", "gradient", "gradof", "gradientof", "gradients", "grads", "deriv", "derivative", "nabla", "partial"),
    *("del", "g", "delta", "δ"),
)
SUFFIXES = ("grad", "gradient", "gradients", "grads", "deriv", "derivative", "bar", "adjoint", "delta")

Stem = tuple[tuple[str, ...], str]  # the containers, and what is left of the last part


def owners(gradients: Iterable[str], held: Collection[str]) -> dict[str, str]:
    """The gradient of each array that has one: name of the array → name of its gradient, the plainest if several."""
    found: dict[str, tuple[int, str]] = {}
    for name in gradients:
        for rank, owner in _owned(name, held):
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


def called(ours: str, held: Iterable[str]) -> list[str]:
    """The arrays that go by one of the usual names of a parameter: the most usual first."""
    words = FAMILIES.get(ours, (ours,))
    ranked = [(words.index(word), name) for name in held if (word := _plain(_own(name)[1])) in words]
    return [name for _, name in sorted(ranked, key=lambda one: one[0])]


def _owned(name: str, held: Collection[str]) -> Iterable[tuple[int, str]]:
    """The arrays whose gradient an array may be by its name, with the rank of that manner of naming."""
    exact = name.removeprefix("d")
    if exact != name and exact in held:
        yield -1, exact
    stems = dict[tuple[tuple[str, ...], str], int]()
    for rank, stem in enumerate(_stems(name)):
        stems.setdefault(stem, rank)
    for owner in held:
        rank = stems.get(_canonical(_own(owner)))
        if rank is not None:
            yield rank, owner


def _stems(name: str) -> Iterable[Stem]:
    """Return the names of which an array may be the gradient, the likeliest first."""
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
    """The containers and the own name of a parameter, without what only holds it."""
    *path, last = name.split(".")
    if _plain(last) in VALUES and path:
        *path, last = path
    return tuple(part for part in path if _plain(part) not in HOLDERS), last


def _canonical(stem: Stem) -> Stem:
    path, last = stem
    return tuple(_plain(part) for part in path if _plain(part) not in HOLDERS), _plain(last)


def _plain(part: str) -> str:
    """A part of a name without underscores and case."""
    return re.sub(r"_+", "", part).casefold()


def _related(gradients: Iterable[str], free: Iterable[str]) -> dict[str, str]:
    """Arrays that are alone of their family, with the only gradient of that family: weights and dw."""
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
