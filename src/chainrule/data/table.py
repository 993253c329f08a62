"""Tables: CSV files whose first row contains the names of the columns. One column is the target."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.core.arrays import Floats
from chainrule.data.dataset import Dataset
from chainrule.data.folder_layout import CLASSES
from chainrule.data.target_table import (
    Columns,
    check_entries,
    class_entries,
    columns_of,
    kind_of_targets,
    number_entries,
    number_in,
    table_lines,
)
from chainrule.errors import DataError, FormatError, OptionError, printable_name, quoted, unknown_name

IS = "="  # between the name of a column of texts and a text, in the name of a feature
MOST_TEXTS = 100  # different texts of a column


def read_table(path: Path, target: str | None, kind: str | None = None, columns: Sequence[str] = ()) -> Dataset:
    """Return a table as a data set, whose inputs are numbers (N, F).

    A column of texts becomes a feature of 0 and 1 for each text, such as "color=red".

    target    name of the column to predict
    kind      `CLASSES` or `NUMBERS` in this column; None: as in `target_table.read_table`
    columns   names of the features, in order, that a network was trained on; empty: those of the table

    Errors    FormatError, with the row, for an invalid table; OptionError for a column that does not exist
    """
    texts = read_columns(path)
    if target is None:
        raise OptionError(f"{path}: state the column to predict, --target NAME or target=: {', '.join(texts)}")
    if target not in texts:
        raise unknown_name("target", target, [*texts])
    answers = {target: texts.pop(target)}
    features = encoded(path, texts, columns)
    numbers = np.array([[*map(number_in, answers[target])]])
    if (kind or kind_of_targets(numbers)) == CLASSES:
        classes, values = class_entries(path, answers)
    else:
        classes, values = number_entries(path, answers, numbers)
    x = np.stack([*features.values()], 1)
    return Dataset(x, np.array(values), classes, path.stem, str(path), columns=tuple(features))


def read_columns(path: Path) -> Columns:
    """Return the entries of each column by its name; FormatError for names that are missing or equal."""
    heading, *lines = table_lines(path) or [[]]
    names = list(map(printable_name, heading))
    are_names = len({*names} - {""}) == len(names) and not all(math.isfinite(number_in(name)) for name in names)
    if not are_names:
        expected = "expected different names of columns in the first row"
        raise FormatError(f"{path}: {expected}, found {quoted(','.join(names))}")
    return columns_of(path, names, lines)


def encoded(path: Path, texts: Columns, columns: Sequence[str] = ()) -> dict[str, Floats]:
    """Return the features by name, (N,) each: the numbers of a column, or 0 and 1 for each text.

    columns   names of the features of a network; empty: all that the columns contain
    Errors    DataError for a missing column; FormatError for an entry that is no number or no known text
    """
    features = dict[str, Floats]()
    for name, allowed in _allowed_texts(path, texts, columns).items():
        entries = texts[name]
        if allowed:
            check_entries(path, name, entries, allowed.__contains__, f"one of {', '.join(allowed)}")
            for text in allowed:
                features[f"{name}{IS}{text}"] = (np.array(entries) == text).astype(np.float64)
        else:
            check_entries(path, name, entries, lambda text: math.isfinite(number_in(text)), "a number, such as 0.5")
            features[name] = np.array([*map(number_in, entries)])
    return features


def _allowed_texts(path: Path, texts: Columns, columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the texts that each column may contain; an empty list for a column of numbers."""
    allowed = dict[str, list[str]]()
    for feature in columns or texts:
        name, _, text = feature.rpartition(IS)
        if feature in texts:
            allowed[feature] = [] if columns else _texts_in(path, feature, texts[feature])
        elif name in texts:
            allowed.setdefault(name, []).append(text)
        else:
            raise DataError(f"{path}: there is no column {name or feature}; found {', '.join(texts)}")
    return allowed


def _texts_in(path: Path, name: str, entries: Sequence[str]) -> list[str]:
    """Return the different texts of a column, except an empty one; an empty list if some entries are numbers."""
    if any(math.isfinite(number_in(text.replace(",", "."))) for text in entries):
        return []  # decimal commas are refused
    different = sorted({*entries} - {""})
    if len(different) > MOST_TEXTS:
        raise DataError(f"{path}: {name}: {len(different)} different texts, expected at most {MOST_TEXTS}; remove it")
    return different
