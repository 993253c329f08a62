"""The highlighted cells: inputs of a cell, and cells computed from it."""

from itertools import pairwise
from typing import Any

import numpy as np
from explain.networks import explained
from web.bridge import call, look
from web.networks import few_networks, find_subject
from web.pages import Page

from chainrule.explain import Trace

SOURCES = 4  # sources of each cell that are followed


def split(cell: str) -> tuple[str, tuple[int, ...]]:
    name, _, inside = cell.partition("[")
    return name, tuple(int(part) for part in inside.rstrip("]").split(",")) if inside else ()


def lies_in(cell: str, boxes: list[dict[str, Any]]) -> bool:
    tensor, index = split(cell)
    return any(
        box["tensor"] == tensor
        and all(low <= here < high for low, here, high in zip(box["from"], index, box["to"], strict=True))
        for box in boxes
    )


def phase_of(trace: Trace, tensor: str) -> str:
    kind = trace.catalogue.entries[tensor].kind
    return {"update": "update", "gradient": "backward"}.get(kind, "forward")


@few_networks
def test_a_number_is_reached_from_its_sources(modules: Page, name: str) -> None:
    trace = look(modules, find_subject(name))
    cells = {each.cell: each.derived.all_sources() for seed in range(3) for each in explained(trace, seed=seed)}
    reached = call(modules, "reach", [[cell, "forward"] for cell in cells])
    for (cell, sources), answer in zip(cells.items(), reached, strict=True):
        assert all(lies_in(source, answer["from"]) for source in sources), cell
    random = np.random.default_rng(3)
    followed = [(str(source), cell) for cell in cells for source in random.permutation(list(cells[cell]))[:SOURCES]]
    asked = [[source, phase_of(trace, split(cell)[0])] for source, cell in followed]
    for (source, cell), answer in zip(followed, call(modules, "reach", asked), strict=True):
        assert lies_in(cell, answer["to"]), f"{source} goes to {cell}"


def test_only_cells_under_the_kernel_are_reached(modules: Page) -> None:
    look(modules, find_subject("numpy-cnn"))
    asked = [["conv1.y[3,9,9]", "forward"], ["relu1.y[3,9,9]", "forward"], ["relu1.y[0,0,0]", "backward"]]
    asked += [["conv2.dw[1,2,3,4]", "update"], ["conv2.y[7,19,19]", "forward"]]
    answers = call(modules, "reach", asked)
    assert answers[0]["to"] == [{"tensor": "relu1.y", "from": [3, 9, 9], "to": [4, 10, 10]}]
    assert answers[1]["to"] == [{"tensor": "conv2.y", "from": [0, 5, 5], "to": [8, 10, 10]}]
    assert {"tensor": "conv2.dw", "from": [0, 0, 0, 0], "to": [8, 1, 1, 1]} in answers[2]["to"]
    assert answers[3]["to"] == [{"tensor": "conv2.w.update", "from": [1, 2, 3, 4], "to": [2, 3, 4, 5]}]
    boxes = {box["tensor"]: (box["from"], box["to"]) for box in answers[4]["from"]}
    assert boxes["relu1.y"] == ([0, 19, 19], [8, 24, 24])
    assert boxes["conv2.w"] == ([7, 0, 0, 0], [8, 8, 5, 5])
    assert all(one["tensor"] != other["tensor"] for one, other in pairwise(answers[4]["from"]))
