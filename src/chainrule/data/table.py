"""Tables: CSV files whose first row contains the names of the columns. One column is the target."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.core.arrays import Floats
from chainrule.data.dataset import Dataset
from chainrule.data.target_table import (
    NUMBER,
    Columns,
    check_entries,
    columns_of,
    heading_and_lines,
    is_number,
    number_in,
    read_targets,
)
from chainrule.errors import DataError, FormatError, OptionError, printable_name, quoted, unknown_name

IS = "="  # between the name of a column of texts and a text, in the name of a feature
MOST_TEXTS = 100  # different texts of a column


def read_table(
    path: Path, target: str | None, kind: str | None = None, columns: Sequence[str] | None = None
) -> Dataset:
    """Return a table as a data set, whose inputs are numbers (N, F).

    A column of texts becomes a feature of 0 and 1 for each text, such as "color=red".

    target    name of the column to predict
    kind      `CLASSES` or `NUMBERS` in this column; None: as in `target_table.read_table`
    columns   names of the features, in order, that a network was trained on; None: those of the table

    Errors    FormatError, with the row, for an invalid table; OptionError for a column that does not exist
    """
    texts = read_columns(path)
    if target is None:
        raise OptionError(f"{path}: state the column to predict, --target NAME or target=: {', '.join(texts)}")
    if target not in texts:
        raise unknown_name("target", target, [*texts])
    answers = {target: texts.pop(target)}
    features = encoded(path, texts, columns)
    if not features:
        raise DataError(f"{path}: expected at least one column beside the target {target}")
    targets = read_targets(path, answers, kind)
    x = np.stack([*features.values()], 1)
    return Dataset(x, np.array(targets.values), targets.names, path.stem, str(path), columns=tuple(features))


def read_columns(path: Path) -> Columns:
    """Return the entries of each column by its name; FormatError for names that are missing or equal."""
    heading, lines = heading_and_lines(path)
    names = list(map(printable_name, heading))
    are_distinct = len({*names} - {""}) == len(names)  # and none is empty
    if not are_distinct or all(map(is_number, names)):
        expected = "expected different names of columns in the first row"
        raise FormatError(f"{path}: {expected}, found {quoted(','.join(names))}")
    return columns_of(path, names, lines)


def encoded(path: Path, texts: Columns, columns: Sequence[str] | None = None) -> dict[str, Floats]:
    """Return the features by name, (N,) each: the numbers of a column, or 0 and 1 for each text.

    columns   names of the features of a network; None: all that the columns contain
    Errors    DataError for a missing column; FormatError for an entry that is no number or no known text
    """
    features = dict[str, Floats]()
    if columns is None:
        allowed_texts = {name: _texts_in(path, name, entries) for name, entries in texts.items()}
    else:
        allowed_texts = _texts_of_features(path, texts, columns)
    for name, allowed in allowed_texts.items():
        entries = texts[name]
        if allowed is None:
            check_entries(path, name, entries, is_number, NUMBER)
            features[name] = np.array(list(map(number_in, entries)))
            continue
        check_entries(path, name, entries, allowed.__contains__, f"one of {', '.join(allowed)}")
        for text in allowed:
            features[f"{name}{IS}{text}"] = (np.array(entries) == text).astype(np.float64)
    return features


def _texts_of_features(path: Path, texts: Columns, features: Sequence[str]) -> dict[str, list[str] | None]:
    """Return the texts that each column may contain by the features of a network; None for a column of numbers."""
    allowed = dict[str, list[str] | None]()
    for feature in features:
        name, _, text = feature.rpartition(IS)
        if feature in texts:
            allowed[feature] = None
        elif name in texts:
            allowed[name] = [*(allowed.get(name) or ()), text]
        else:
            raise DataError(f"{path}: there is no column {name or feature}; found {', '.join(texts)}")
    return allowed


def _texts_in(path: Path, name: str, entries: Sequence[str]) -> list[str] | None:
    """Return the different texts of a column, except an empty one; None if some are numbers, or all are empty."""
    for entry in entries:
        if is_number(entry.replace(",", ".")):  # the check of numbers refuses decimal commas
            return None
    different = sorted({*entries} - {""})
    if not different:
        return None
    if len(different) > MOST_TEXTS:
        raise DataError(f"{path}: {name}: {len(different)} different texts, expected at most {MOST_TEXTS}; remove it")
    return different
