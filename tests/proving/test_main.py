"""`make prove` counts its layers and graphs, and finds a wrong derivative."""

import re

import pytest
from proving.__main__ import main
from proving.configurations import draw

import chainrule as cr


def test_a_planted_mistake_is_found_and_found_again(capsys, monkeypatch) -> None:
    assert main(["--count", "50", "--engine", "numpy"]) == 0
    assert capsys.readouterr().out == "50 layers and 0 graphs: all right (seed 0)\n"
    monkeypatch.setattr("chainrule.engines.numpy.sigmoid_dx", lambda dy, y: dy)
    assert main(["--count", "50", "--engine", "numpy"]) == 1
    printed = capsys.readouterr().out
    (wrong,) = re.findall(r"50 layers and 0 graphs: (\d+) are wrong \(seed 0\)", printed)
    planted = [number for number in range(50) if type(draw(0, number).layer) is cr.Sigmoid]
    assert int(wrong) == len(planted) > 0
    again = printed.splitlines()[-1].partition("proving ")[2].split()
    assert again[:4] == ["--seed", "0", "--first", str(planted[-1])]
    assert main([*again, "--engine", "numpy"]) == 1


def test_graphs_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "60", "--engine", "numpy"]) == 0
    layers, graphs = map(int, re.findall(r"\d+", capsys.readouterr().out)[:2])
    assert layers + graphs == 60
    assert 0 < graphs < 20
