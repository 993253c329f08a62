"""The limits of a submission hold whatever it starts, and however large its files are."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from check.submissions import relu, written

from chainrule.check import homework, host
from chainrule.check.host import Limits, Permissions, available_protection, open_file
from chainrule.check.host.process import PATIENCE, GuestEnded
from chainrule.check.host.protection import MAX_COPY

SECONDS = 2
SPINNING = """
import os, threading, time

class Spin:
    def forward(self, x):
        for _ in range(24):
            if os.fork() == 0:
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    pass
                os._exit(0)
        while True:
            pass

    def backward(self, dy):
        return dy
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")


def test_processes_that_a_submission_starts_do_not_prolong_it(tmp_path: Path) -> None:
    if not available_protection().namespaces:
        pytest.skip(f"here: {available_protection()}")
    file = tmp_path / "spin.py"
    file.write_text(SPINNING, encoding="utf-8")
    permissions = Permissions((file,), host.package_folders(), 2 << 30)
    with open_file(file, Limits(SECONDS), permissions=permissions) as opened:
        layer = opened.layer("self = Spin(); y = self.forward(x); dx = self.backward(dy)")
        opened.start_part()  # on a busy machine, the start alone takes half of the time
        begin = time.monotonic()
        with pytest.raises(GuestEnded, match=f"stopped after {SECONDS} s"):
            layer.forward(np.ones((1, 1)))
    assert time.monotonic() - begin < 0.9 * PATIENCE * SECONDS  # if it waited for its children: PATIENCE


@pytest.mark.parametrize("parts", [1, 3])
def test_copies_of_a_submission_are_bounded(parts: int, tmp_path: Path) -> None:
    """A sparse file takes no space in the folder of the class, but its copy would."""
    folder = tmp_path / "ada"
    folder.mkdir()
    for part in range(parts):
        with (folder / f"sparse{part}").open("wb") as stream:
            stream.truncate(MAX_COPY // parts + 1)
    begin = time.monotonic()
    written(folder, relu())
    (row,) = homework.grade(tmp_path, "ReLU()", shape=(2, 3, 2), seconds=120)
    assert not row.ok
    assert "MB; expected at most" in row.remark
    assert time.monotonic() - begin < 30
