"""What commands refuse: one line on stderr, exit code 2, and nothing left behind. A row has a command and its message.

The commands run in a folder with a finished run and the files that `place` writes, offline, with an empty cache:
options are refused before data are fetched. Values out of their bounds are refused as in Python, of which one is here.
"""

from pathlib import Path

import numpy as np
import pytest
from cli.commands import Invoke, refused
from interop.onnx_models import made
from PIL import Image
from safetensors.numpy import save_file

import chainrule as cr

HOMEWORK = Path(__file__).parents[2] / "examples" / "homework" / "submissions"
AGAINST = "--against 'Conv2D(4, (3, 2))'"
CELL = "explain --cell dense1.dw[3,400]"
LONG = "9" * 400
REFUSED: dict[str, str | tuple[str, ...]] = {
    # the program
    "trian": "trian",
    "predict somewhere": "IMAGE",
    # check and grade
    "check none.py": "none.py: cannot be read (No such file or directory)",
    "check lenet": "expected FILE.py or FILE.ipynb",
    f"check {HOMEWORK}/ada.py --against Conv2D(4)": "missing a required argument",
    f"check {HOMEWORK}/ada.py {AGAINST} --input-shape big": "input shape 'big'",
    f"grade {HOMEWORK} {AGAINST} --package chainrule": "package 'chainrule'",
    f"grade {HOMEWORK} {AGAINST} --seconds 0": "--seconds",
    f"grade {HOMEWORK} {AGAINST} --memory 99999999": "--memory",
    f"grade empty {AGAINST}": "no submissions",
    f"grade none {AGAINST}": "none: no such folder",
    f"grade {HOMEWORK} --against Nothing()": "unknown layer 'Nothing'",
    f"grade none.py --single {AGAINST}": "none.py: no such file or folder",
    f"grade {HOMEWORK} {AGAINST} --points none.toml": "none.toml: cannot be read",
    f"grade {HOMEWORK} {AGAINST} --results moodle x": "'moodle' is not one of 'gradescope'",
    f"grade {HOMEWORK} {AGAINST} --results otter no/where.csv": "there is no folder",
    f"grade {AGAINST} --autograder grader.tar": "expected FILE.zip",
    "grade --against Nothing() --autograder grader.zip": "unknown layer 'Nothing'",
    f"grade {HOMEWORK} {AGAINST} --csv no/where.csv": "there is no folder",
    # explain
    f"{CELL} finished --model mlp": ("RUN", "--model"),
    f"{CELL} --model nobody": "unknown model 'nobody'",
    f"{CELL} --model mlp --data digits.npz": "--data",
    f"{CELL} nowhere": ("nowhere", "no such run folder"),
    "explain finished --cell dense9.w[0]": ("dense9.w", "dense1"),
    "explain finished --cell dense1.w[0,90000]": ("90000", "from 0 to 783"),
    "explain finished --cell dense1": ("no tensor 'dense1'", "dense1.y"),
    f"{CELL} finished --sample 40": ("--sample 40", "0 to 39"),
    f"{CELL} finished --sample -1": "--sample -1",
    f"{CELL} finished --label ten": ("--label ten", "0, 1, 2"),
    f"{CELL} finished --image none.png": "none.png",
    f"{CELL} finished --optimizer newton": ("newton", "sgd"),
    "explain finished --model mlp": "found both",
    "explain finished --port 70000": "70000",
    "explain finished --json": "--json requires --cell",
    "explain finished --cell loss.y --port 1": ("--port", "--cell"),
    "explain finished --html x.html --no-browser": ("--html", "--no-browser"),
    "explain finished --html no/x.html": "there is no folder",
    "explain finished --html empty": "it is a folder",
    # export and import
    "export finished": "--onnx FILE",
    "export finished --onnx old.onnx": "old.onnx exists already",
    "export finished --onnx empty": "empty: it is a folder",
    "export finished --onnx none/m.onnx": "there is no folder none",
    "export none --onnx m.onnx": "none",
    "export empty --onnx m.onnx": "empty contains no run",
    "export bad.safetensors --onnx m.onnx": "bad.safetensors",
    "export finished --onnx m.onnx --opset 12": ("opset 12: expected", "from 13 to 28"),
    "export gelu.safetensors --onnx m.onnx --opset 19": ("gelu1: Gelu", "since opset 20"),
    "export finished --int8": "--onnx FILE",
    "export finished --onnx a.onnx --name other": "--name",
    "export finished --c out --name all": "'all'",
    "export finished --onnx a.onnx --project cmake": "--project applies to C",
    "export finished --c out --project keil": "'keil' is not one of",
    "export finished --c my.net/a+b --project arduino": "folder 'a+b'",
    "export finished --onnx a.onnx --int8": "--int8",
    "export finished --onnx a.onnx --compact": "--compact",
    "export finished --c out --opset 14": "--opset",
    "export finished --c out --train": "--train",
    "export finished --c out --io int8": "--io applies to int8",
    "export finished --wasm out.js": "ends with .wasm",
    "export finished --onnx m.onnx --c bad.pt": "bad.pt is not a folder",
    "import": "--operators",
    "import none.onnx": "none.onnx",
    "import bad.onnx": "bad.onnx",
    "import --model numpy-cnn net.onnx": "--model",
    "import net.onnx --out m.h5": ("'.h5'", ".safetensors"),
    "import net.onnx --normalize mean=1": "mean=0.5,std=0.25",
    "import stem.safetensors": "--model NAME",
    "import --model numpy-cnn bad.pt": "save_file(model.state_dict()",
    "import --model numpy-cnn --map a stem.safetensors": "HERE=THERE",
    "import --model numpy-cnn bad.txt": (".txt", "safetensors"),
    # train
    **{
        f"train --engine numpy --quiet --out out {options}": message
        for options, message in {
            "--epocks 3": "--epocks",
            "--epochs three": "three",
            f"--seed {2**63}": "seed",
            "--patience 2 --validation 0": "--validation",
            "--momentum 0.9": "adam has no momentum",
            "--model vanilla-cnn --loss categorical-cross-entropy": "every output is 1",
            "--engine cuda": "unknown engine 'cuda'; known: compiled, numpy, jax, reference",
            "--model resnet": "unknown model 'resnet'; did you mean resnet-8? known: independent-code",
            "--recipe worst": "known: best, tutorial",
            "--model zayan --recipe tutorial": ("zayan", "states no recipe"),
            "--data imagenet": "imagenet",
            "--resize 0x3": "0x3",
            "--resize 28x28": "folder of images",
            "--stream": "--stream requires a folder of images",
            "--data mnist --skip-damaged": ("--skip-damaged", "folder of images"),
            "--out ''": "--out",
            "--data ''": "--data",
            f"--epochs {2**63}": f"epochs {2**63}: expected a whole number of at least 1 and of at most 1000000",
            f"--epochs {'9' * 5000}": "expected a whole number, found",
            f"--resize {LONG}x3": "expected HxW",
            "--data ~nobody-of-this-name/x": "unknown home folder",
            "--model mlp --data digits.npz --class-weight cat=2": ("class weights", "'cat'"),
            "--model mlp --data digits.npz --class-weight 3": "CLASS=WEIGHT",
            "--model nine.py --data digits.npz": ("nine.py", "9 outputs", "10 classes"),
            "--model none.toml --data digits.npz": "none.py with a list of layers",
            "--model own.py --data digits.npz": ("Mine", "set_weights"),
            "--model own.py:missing --data digits.npz": "own.py has no missing",
            "--model mlp --from finished --data digits.npz": "--from and --model",
            "--freeze cnov* --from finished --data digits.npz": "--freeze: no parameter is named 'cnov*'",
            "--from nothing.safetensors --data digits.npz": "nothing.safetensors",
            "--dtype float64 --from finished --data digits.npz": "float32, not float64",
            "--from finished --data small.npz": ("1×28×28", "1×9×9"),
        }.items()
    },
    "train --engine numpy --quiet --data digits.npz --out old.onnx": "the run folder old.onnx",
    "train --batch-size 3 --resume finished": ("--batch-size", "--resume"),
    "train --out x --resume finished": ("--out", "--resume"),
    "train --model numpy-cnn --resume finished": ("--model", "--resume"),
    "train --epochs 3 --quiet --resume finished": "4 epochs are done",
    # runs and their evaluation
    **{
        command.replace("RUN", run): part
        for command in ("evaluate RUN", "predict RUN x.png", "train --resume RUN")
        for run, part in (("''", "empty"), ("empty", "config.json"), ("nowhere", "nowhere"))
    },
    "predict finished ''": "empty",
    "evaluate finished --data small.npz": ("1×9×9", "1×28×28"),
    "evaluate finished --data more.npz": "no class '10', '11'",
    "evaluate finished --data named.npz": "no class 'cat', 'dog'",
    "predict finished empty": "empty: no images in this folder",
    "predict finished x.png --csv no/out.csv": "no/out.csv",
    "predict finished empty --top 0": "--top 0: expected at least 1",
    # models and data
    "models lenet": "known: independent-code",
    "models --program": "name of a model",
    "models --new own.py": "own.py already exists",
    "models --new own.txt": "ends with .py",
    "models --new no/where.py": "no folder no",
    "models mlp --new x.py": "--new",
    "data fetch imagenet": "known: mnist, fashion-mnist, cifar10",
    "data clear imagenet": "known: mnist, fashion-mnist, cifar10",
    **{f"docs {page}": "chainrule docs" for page in ("no-such-page", "../README", "derivations/../checking", LONG)},
}


@pytest.fixture
def place(invoke: Invoke, finished: Path, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the commands."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CHAINRULE_DATA", "")
    Path("empty").mkdir()
    Path("digits.npz").symlink_to(digits)
    for name, samples, size, classes in (
        ("small", 20, 9, None),
        ("more", 96, 28, [*map(str, range(12))]),
        ("named", 96, 28, ["cat", "dog"]),
    ):
        labels = {"y": np.arange(samples) % len(classes or range(10)), **({"classes": classes} if classes else {})}
        np.savez(f"{name}.npz", x=np.zeros((samples, size, size), np.uint8), **labels)
    for name in ("old.onnx", "bad.onnx", "bad.safetensors", "bad.pt", "bad.txt"):
        (tmp_path / name).write_bytes(b"\xff" * 100)
    save_file({"stem.weight": np.ones((4, 1, 3, 3), np.float32)}, "stem.safetensors")
    Path("net.onnx").write_bytes(made("y = Relu(x)", {}, ("n", 1, 6, 6)))
    cr.Sequential([cr.Dense(2), cr.GELU()], (3,)).save("gelu.safetensors")
    Image.new("L", (28, 28), 255).save("x.png")
    Path("nine.py").write_text("import chainrule as cr\nnine = [cr.Flatten(), cr.Dense(9)]")
    Path("own.py").write_text(
        "import chainrule as cr\nclass Mine:\n    def forward(self, x): return x\n"
        "    def backward(self, dy): return dy\n"
        "layers = [Mine(), cr.Flatten(), cr.Dense(10), cr.Softmax()]\n"
    )
    return tmp_path


@pytest.mark.parametrize("line", REFUSED, ids=lambda line: line.replace(str(HOMEWORK), "submissions")[:70])
def test_refused(invoke: Invoke, place: Path, line: str) -> None:
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    parts = REFUSED[line]
    refused(invoke(line), *([parts] if isinstance(parts, str) else parts))
    remaining = {
        path: path.read_bytes() for path in place.rglob("*") if path.is_file() and path.parent.name != "__pycache__"
    }
    assert remaining == before
