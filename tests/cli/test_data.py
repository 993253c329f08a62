"""`chainrule data`, with a temporary cache that contains files of the right sizes."""

import numpy as np
import pytest
from cli.commands import answer, bars, refused

from chainrule.data import catalogue, load, loading


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Create a cache with a sparse Fashion-MNIST."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CHAINRULE_DATA", "")
    folder = tmp_path / "cache" / "data" / "fashion-mnist"
    folder.mkdir(parents=True)
    for record in catalogue()[1].files:
        with (folder / record.name).open("wb") as file:
            file.truncate(record.size)
    return folder


def test_list(invoke, cache):
    result, listed = invoke("data list"), {info["name"]: info for info in answer(invoke("data list --json"))}
    assert (result.exit_code, result.stderr) == (0, "")
    assert [*listed] == [info.name for info in catalogue()]
    assert listed["fashion-mnist"].items() >= {"bytes": 54_950_048, "folder": str(cache)}.items()
    for info in catalogue():
        facts = {"shape": [*info.shape], "licence": info.licence, "cached": info.name == "fashion-mnist"}
        assert listed[info.name].items() >= facts.items()
        assert f"{info.training:,}" in result.stdout
    for words in ("yes, 55.0 MB", "shapes ", "noisy-mnist ", f"cache: {cache.parent.parent} "):
        assert words in result.stdout


def test_clear_asks(invoke, cache):
    unanswered = invoke("data clear fashion-mnist", input="")
    assert (unanswered.exit_code, "nothing was removed" in unanswered.stderr) == (2, True)
    for line, said in (
        ("data clear mnist --yes", "0.0 MB freed\n"),
        ("data clear", "nothing was removed\n"),
        ("data clear --yes", "55.0 MB freed\n"),
    ):
        assert len([*cache.iterdir()]) == 4
        assert said in invoke(line, input="n\n").stdout
    assert not cache.exists()


def test_fetch_offline(invoke, cache):
    """Verify the checksum of a cached file, not only its size."""
    offline = {"CHAINRULE_OFFLINE": "1"}
    refused(invoke("data fetch fashion-mnist --quiet", env=offline), "fashion-mnist", "train-images-idx3-ubyte")


def test_fetch(invoke, monkeypatch):
    x, y = bars(50)
    np.savez("x.npz", x=x, y=y)
    asked = []

    def load_known(info, **options):
        asked.append((info.name, options))
        return load("x.npz")

    monkeypatch.setattr(loading, "load_known", load_known)
    result = invoke("data fetch all --quiet")
    assert [name for name, _ in asked] == [info.name for info in catalogue()]
    assert asked[0][1] == {"progress": False}
    assert result.stdout.splitlines()[0].startswith("mnist: 40 training and 10 test images 1×28×28, in ")
