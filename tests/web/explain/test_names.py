"""The page accepts and refuses the same names of cells as Python, with the same canonical form."""

import numpy as np
import pytest
from web.bridge import call, look
from web.networks import few_networks, find_subject
from web.pages import Page

from chainrule.errors import OptionError
from chainrule.explain import Trace

WRONG = [
    "conv1.y[0,0]",
    "conv1.y[99,0,0]",
    "conv1.y[0,-1,0]",
    "conv1.y",
    "conv1.y[a,b,c]",
    "conv1.y[0,0,0",
    "",
    "conv1.q[0]",
    "loss.y[0]",
    "dense2.update[0,0,0]",
]


def read_by_python(trace: Trace, cell: str) -> str | dict[str, str]:
    """Return the canonical name or the error message of Python."""
    try:
        return str(trace.catalogue.read(cell))
    except OptionError as error:
        return {"error": str(error)}


@few_networks
def test_every_name_of_a_cell_leads_to_the_same_cell(modules: Page, name: str) -> None:
    subject = find_subject(name)
    trace = look(modules, subject)
    random = np.random.default_rng(1)
    cells: list[str] = []
    for known in [*trace.names, *trace.catalogue.aliases, *(f"{layer}.update" for layer in subject.model.names)]:
        if known.endswith(".update") and known not in trace.names:
            sizes = [entry.shape for entry in trace.catalogue.entries.values() if entry.name.startswith(known[:-6])]
        else:
            sizes = [shape for _, shape in trace.catalogue.candidates(known)]
        for shape in sizes:
            index = ",".join(str(int(random.integers(size))) for size in shape)
            cells.append(f"{known}[{index}]")
    found = call(modules, "canonical", cells)
    assert found == [read_by_python(trace, cell) for cell in cells]


def test_refuses_in_the_words_of_python(modules: Page) -> None:
    trace = look(modules, find_subject("numpy-cnn"))
    for cell, answer in zip(WRONG, call(modules, "canonical", WRONG), strict=True):
        with pytest.raises(OptionError) as refused:
            trace.catalogue.read(cell)
        assert answer == {"error": str(refused.value)}


def test_a_tensor_that_is_not_there(modules: Page) -> None:
    look(modules, find_subject("numpy-cnn"))
    (answer,) = call(modules, "canonical", ["nothing[0]"])
    assert answer["error"].startswith("there is no tensor 'nothing' in this trace")
    assert "conv1, relu1" in answer["error"]
