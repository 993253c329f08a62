"""Words of other libraries: hints for options that a function does not have, and names that mean the same.

words.toml contains the words. `unknown_option` is the only place that explains an option that is unknown, has another
name here, or was removed.
"""

import tomllib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from chainrule.errors import OptionError


@cache
def vocabulary() -> dict[str, dict[str, str]]:
    """Return the tables options, names and advice of words.toml, and hints, the advice by word without its case."""
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    hints = dict[str, str]()
    for advice, words in tables["advice"].items():
        for word in words.split():
            hints[_plain(word)] = advice
    return {**tables, "hints": hints}


def advice_for(word: str) -> str | None:
    """Return what to do instead of using a word of another library or an earlier version; None if nothing is known."""
    return vocabulary()["hints"].get(_plain(word))


def match_name(name: object, names: Iterable[str]) -> str | None:
    """Return the name that equals another name except for case and separators, or is its synonym; None for none."""
    if not isinstance(name, str):
        return None
    plain = _plain(name)
    synonym = _plain(vocabulary()["names"].get(plain, plain))
    for candidate in names:
        if _plain(candidate) in (plain, synonym):
            return candidate
    return None


def unknown_option(option: str, known: Sequence[str], what: str) -> OptionError:
    """Return the error for an option that a function does not have.

    It names the option that means the same, what to do instead, the most similar option, or else all options.

    known   options of the function
    what    name of the function or class
    """
    own = list(filter(known.__contains__, vocabulary()["options"].get(option, "").split()))
    advice = advice_for(option)
    close = get_close_matches(option, known, 1)
    if own:
        hint = f": use {own[0]}"
    elif advice:
        hint = f": {advice}"
    elif close:
        hint = f"; did you mean {close[0]}?"
    else:
        hint = f"; known: {', '.join(known) or 'none'}"
    return OptionError(f"{what} has no option {option}{hint}")


def order_hint(what: str, values: Sequence[object]) -> str:
    """Return a hint for values in PyTorch's order, channels first; "" for others."""
    if what.startswith("Conv") and len(values) >= 3:
        return f"; input channels follow from the input shape: {what}({values[1]!r}, {values[2]!r})"
    return ""


def _plain(name: str) -> str:
    return name.casefold().translate(str.maketrans("", "", "_- "))
