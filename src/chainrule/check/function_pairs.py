"""Pairs of functions in a file: those with known interfaces of courses, and others that are related by their names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainrule.check.known_interfaces import FUNCTIONS, FunctionInterface, class_interface
from chainrule.check.layer_sequence import LayerSequence
from chainrule.check.sources import FileContents
from chainrule.check.usual_options import NAMES


@dataclass(frozen=True)
class FunctionPair:
    """The names of a function pair or loss with a known interface. The backward may be missing from the file.

    backward   None for a loss
    """

    interface: FunctionInterface
    forward: str
    backward: str | None

    @property
    def title(self) -> str:
        """Name of the pair, such as "conv_forward_naive / conv_backward_naive"."""
        if self.backward is None:
            return self.forward
        return f"{self.forward} / {self.backward}"


def find_pairs(functions: Sequence[str]) -> tuple[list[FunctionPair], list[str]]:
    """Return the pairs with known interfaces in a file, and the names of known forward functions that the file lacks.

    If there are no pairs, both lists are empty, because the file is not of a known course.
    """
    pairs = list[FunctionPair]()
    missing = list[str]()
    for known_interface in FUNCTIONS:
        found = _pairs_of_interface(known_interface, functions)
        pairs += found
        optional = known_interface.cases and isinstance(known_interface.cases[0].layer, LayerSequence)
        if not found and not optional:
            missing.append(known_interface.forward)
    if not pairs:
        return [], []
    return pairs, missing


def _pairs_of_interface(known_interface: FunctionInterface, functions: Sequence[str]) -> list[FunctionPair]:
    """Return the pairs or losses of a interface. Without a backward, a pair has the name that it should have."""
    pairs = list[FunctionPair]()
    for suffix in NAMES["forward_suffixes"]:
        forward = f"{known_interface.forward}{suffix}"
        if forward not in functions:
            continue
        if known_interface.backward is None:
            pairs.append(FunctionPair(known_interface, forward, None))
            continue
        names = [f"{known_interface.backward}{suffix}{other}" for other in NAMES["backward_suffixes"]]
        present = [name for name in names if name in functions]
        for name in present or names[:1]:
            pairs.append(FunctionPair(known_interface, forward, name))
    return pairs


def tutorial_pairs(functions: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs (forward, backward) of functions that are related by their names and have no known interface."""
    used = set[str | None]()
    for pair in find_pairs(functions)[0]:
        used |= {pair.forward, pair.backward}
    pairs = list[tuple[str, str]]()
    for forward in functions:
        if forward in used:
            continue
        for backward in _backward_names(forward):
            if backward in functions and backward not in used:
                if not any(backward in pair for pair in pairs):
                    pairs.append((forward, backward))
                break
    return pairs


def pair_named(contents: FileContents, name: str | None) -> tuple[str, str] | None:
    """Return the pair (forward, backward) of a function, or the file's only pair if there is no name.

    None if there is no such pair.
    """
    pairs = list[tuple[str, str]]()
    for pair in find_pairs(contents.functions)[0]:
        if pair.backward is not None and pair.backward in contents.functions:
            pairs.append((pair.forward, pair.backward))
    pairs += tutorial_pairs(contents.functions)
    if name is None:
        if len(pairs) == 1 and not contents.layers:
            return pairs[0]
        return None
    for pair in pairs:
        if name in pair:
            return pair
    return None


def _backward_names(forward: str) -> Iterator[str]:
    for old, new in NAMES["pair_words"]:
        if old in forward:
            yield forward.replace(old, new, 1)
    for suffix in NAMES["pair_suffixes"] + NAMES["derivative_suffixes"]:
        yield f"{forward}{suffix}"
    for prefix in NAMES["pair_prefixes"] + NAMES["derivative_prefixes"]:
        yield f"{prefix}{forward}"


def is_derivative(backward: str) -> bool:
    """Return whether a function is called a derivative, rather than a backward function."""
    if backward.endswith(NAMES["derivative_suffixes"]):
        return True
    return backward.startswith(NAMES["derivative_prefixes"]) and "back" not in backward


def interface_by_name(forward: str) -> FunctionInterface | None:
    """Return the interface of a pair whose forward function has the usual name of a layer; None for other names."""
    stem = forward
    for word in NAMES["layer_words"]:
        stem = stem.replace(word, "")
    named = class_interface(stem)
    if named is None or named.layer is None:
        return None
    return FunctionInterface(forward, (named.cases(())[0],))
