"""Tables with named columns, as those of pandas and polars: columns that are not numbers are named."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule.errors import ChainruleError

N = 12
NAMES = ("age", "height in m", "3")
Y = np.arange(N) % 2
OTHERS: dict[str, Callable[[int], Any]] = {  # values that are not numbers, by the number of the sample
    "texts": "t{}".format,
    "texts of numbers": str,
    "dates": lambda n: datetime.datetime(2026, 1, 1 + n),
    "lists": lambda n: [n, n],
    "nothing": lambda n: object(),
    "decimals": Decimal,
    "complex": lambda n: 1j * n,
}


class Frame:
    """A table like those of pandas, which need not be installed."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns, self._entries = list(columns), columns

    def __len__(self) -> int:
        return N

    def __iter__(self) -> Any:
        return iter(self.columns)

    def __getitem__(self, name: str) -> np.ndarray:
        entries = np.empty(N, object)
        entries[:] = self._entries[name]
        return entries

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.stack([self[name] for name in self.columns], 1).astype(dtype or object)


def tables(kind: str) -> Callable[[dict[str, list[Any]]], Any]:
    """Return the function that makes a table of columns."""
    if kind == "own":
        return Frame
    return pytest.importorskip(kind).DataFrame


def model() -> cr.Sequential:
    return cr.Sequential([cr.Dense(2), cr.Softmax()], (3,), engine="numpy", dtype="float64")


def of_two_inputs() -> cr.Graph:
    first, second = cr.Input((3,)), cr.Input((3,))
    return cr.Graph([first, second], cr.Softmax()(cr.Dense(2)(cr.Add()(first, second))), engine="numpy")


def numbers(seed: int) -> dict[str, list[Any]]:
    draw = np.random.default_rng(seed)
    columns = draw.normal(size=N), draw.integers(0, 9, N), draw.integers(0, 2, N) > 0
    return {name: values.tolist() for name, values in zip(NAMES, columns, strict=True)}


USES: dict[str, Callable[[Any, Any], Any]] = {  # of a table, beside one of numbers
    "fit": lambda table, _: model().fit(table, Y, progress=False),
    "validation": lambda table, other: model().fit(other, Y, validation_data=(table, Y), progress=False),
    "predict": lambda table, _: model().predict(table),
    "evaluate": lambda table, _: model().evaluate(table, Y),
    "train_step": lambda table, _: model().train_step(table, Y),
    "data set": lambda table, _: cr.Dataset(table, Y),
    "several inputs": lambda table, other: of_two_inputs().fit((other, table), Y, progress=False),
    "targets": lambda table, other: cr.Sequential([cr.Dense(3)], (3,), loss="mse", engine="numpy").fit(other, table),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ["own", "pandas", "polars"])
def test_a_column_that_is_not_numbers_is_named(kind: str, use: str) -> None:
    table = tables(kind)
    for seed, (name, value) in enumerate(OTHERS.items()):
        if kind == "polars" and name in ("dates", "decimals"):  # polars converts these to numbers
            continue
        column = NAMES[seed % 3]
        columns = numbers(seed)
        columns[column] = [value(n) for n in range(N)]
        with pytest.raises(ChainruleError) as error:
            USES[use](table(columns), table(numbers(seed + 1)))
        assert f"column {column}:" in str(error.value)


@pytest.mark.parametrize("kind", ["own", "pandas", "polars"])
def test_evaluations_read_columns_by_their_names(kind: str) -> None:
    table, columns, network = tables(kind), numbers(3), model()
    network.fit(table(columns), Y, progress=False)
    backwards = table(dict(reversed(columns.items())))
    expected = network.evaluate(table(columns), Y)
    assert_array_equal(network.evaluate(backwards, Y).outputs, expected.outputs)


def test_a_file_names_the_column_too(tmp_path: Path) -> None:
    for seed in range(6):
        entries = numbers(seed)
        column = NAMES[seed % 3]
        entries[column][5] = ["unknown", "", "nan", "1,5", "12 m", "0x1f"][seed]
        rows = [",".join((*NAMES, "target"))]
        for n in range(N):
            rows.append(";".join(str(entries[name][n]) for name in NAMES) + f";{Y[n]}")
        path = tmp_path / "table.csv"
        path.write_text("\n".join(rows).replace(",", ";", 3).replace("True", "1").replace("False", "0"))
        with pytest.raises(ChainruleError) as error:
            cr.data.load(path, target="target")
        assert f"row 7: {column}:" in str(error.value)
