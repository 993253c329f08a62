"""docs/checking.md: every form of a learner's code on the page is checked by the command below it."""

import re
import shlex
from pathlib import Path

import pytest
from check.submissions import written
from click.testing import CliRunner

from chainrule.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "checking.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```\nchainrule (check (\S+?\.py)\S*.*?)\n```", PAGE, flags=re.S)


@pytest.mark.parametrize(("code", "command", "file"), EXAMPLES, ids=[file for *_, file in EXAMPLES])
def test_examples_are_checked_as_shown(
    code: str, command: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, code, file)
    result = CliRunner().invoke(main, shlex.split(command))
    assert result.exit_code == (3 if file == "layers.py" else 0), result.output
    if shown := re.search(rf"```\nchainrule {re.escape(command)}\n```\n\n```\n(.*?)…", PAGE, flags=re.S):
        assert shown[1] in result.stdout
    assert "not checked" not in result.stdout
    assert "WRONG" not in result.stdout
    assert "right" in result.stdout
