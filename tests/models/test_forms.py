"""Every method reads every form of data alike, and refuses the others in the same line."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from PIL import Image

import chainrule as cr
from chainrule.errors import ChainruleError, DataError
from chainrule.sklearn import ChainruleClassifier

COUNT = 12
IMAGES = np.random.default_rng(2).integers(0, 256, (COUNT, 1, 6, 5), np.uint8)
LABELS = np.arange(COUNT) % 3
NAMES = np.array(["ant", "bee", "cat"])[LABELS]


def trained() -> Any:
    layers = [cr.Conv2D(2, 3), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(layers, (1, 6, 5), classes=["ant", "bee", "cat"], engine="numpy")
    model.fit(IMAGES, NAMES, epochs=2, progress=False)
    return model


def files(folder: Path) -> list[Path]:
    """Write an image folder with a subfolder per class, and return the paths in the order of the samples."""
    paths = list[Path]()
    for number, (image, name) in enumerate(zip(IMAGES, NAMES, strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        paths.append(folder / name / f"{number:02}.png")
        Image.fromarray(image[0]).save(paths[-1])
    return paths


def mapped(folder: Path) -> Any:
    np.save(folder / "x.npy", IMAGES)
    return np.load(folder / "x.npy", mmap_mode="r")


def archive(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def tree(folder: Path) -> str:
    files(folder / "tree")
    return str(folder / "tree")


OTHER: dict[str, Any] = {"x_test": IMAGES, "y_test": LABELS}
FORMS: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "names": lambda _: (IMAGES, NAMES),
    "lists": lambda _: (IMAGES.tolist(), NAMES.tolist()),
    "channels last": lambda _: (IMAGES.transpose(0, 2, 3, 1), LABELS),
    "memory map": lambda folder: (mapped(folder), LABELS),
    "Dataset": lambda _: (cr.Dataset(IMAGES, LABELS, ("ant", "bee", "cat")),),
    "folder": lambda folder: (tree(folder),),
    "list of paths": lambda folder: (files(folder), LABELS),
    "list of texts": lambda folder: (list(map(str, files(folder))), NAMES),
    "Pillow images": lambda _: ([Image.fromarray(image[0]) for image in IMAGES], LABELS),
    ".npz": lambda folder: (archive(folder, x=IMAGES, y=LABELS),),
    ".npz of Keras": lambda folder: (str(archive(folder, x_train=IMAGES, y_train=LABELS, **OTHER)),),
    ".npz with names": lambda folder: (archive(folder, x=IMAGES, y=NAMES),),
}
NETWORK: dict[str, Any] = {"engine": "numpy", "epochs": 3, "batch_size": COUNT, "dtype": "float32", "random_state": 1}
NETWORK |= {"normalization": "none", "learning_rate": 1e-5}  # whole numbers are not recorded as bytes


def estimator() -> Any:
    return ChainruleClassifier([cr.Conv2D(2, 3), cr.Flatten()], input_shape=(1, 6, 5), **NETWORK)


METHODS: dict[str, Callable[..., Any]] = {
    "fit": lambda m, *data: m.fit(*data, batch_size=COUNT, progress=False).losses[0],
    "validation": lambda m, *data: m.fit(
        IMAGES, LABELS, learning_rate=1e-12, progress=False, validation_data=data[0] if len(data) == 1 else data
    ).epochs[-1].validation_loss,
    "evaluate": lambda m, *data: m.evaluate(*data).loss,
    "train_step": lambda m, *data: m.train_step(*data).loss,
    "gradients": lambda m, *data: m.gradients(*data).loss,
    "estimator.fit": lambda m, *data: estimator().fit(*data).predict_proba(IMAGES),
    "estimator.predict": lambda m, *data: np.sort(estimator().fit(IMAGES, NAMES).predict_proba(data[0]), 0),
    "predict": lambda m, *data: np.sort(m.predict(data[0]), 0),
    "predict_classes": lambda m, *data: np.sort(m.predict_classes(data[0])),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # of few epochs
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_reads_every_form(method: str, form: str, tmp_path: Path) -> None:
    model = trained()
    actual = METHODS[method](copy.deepcopy(model), *FORMS[form](tmp_path))
    expected = METHODS[method](model, IMAGES, NAMES)
    if method == "predict_classes":
        assert_array_equal(actual, expected)
    else:
        assert_close(actual, expected, dtype=np.float32, roundings=1000)


class Frame:
    columns = ("a", "b")


REFUSED: dict[str, Callable[[], Any]] = {
    "frame": Frame,
    "masked array": lambda: np.ma.masked_array(IMAGES, IMAGES > 200),
    "list of masked arrays": lambda: [np.ma.masked_array(image, image > 200) for image in IMAGES],
    "generator": lambda: (image for image in IMAGES),
    "unequal series": lambda: [np.ones((1, 6, 5 + number)) for number in range(COUNT)],
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", REFUSED)
def test_what_is_refused_is_refused_in_the_same_line(form: str) -> None:
    model, messages = trained(), set[str]()
    for method, use in METHODS.items():
        if form == "frame" and "estimator" in method:
            continue  # scikit-learn reads frames, and checks the names
        with pytest.raises(ChainruleError) as error:
            use(model, REFUSED[form](), LABELS)
        assert "\n" not in str(error.value)
        messages.add(str(error.value).partition(" at 0x")[0])
    assert len(messages) == 1, messages


def test_masked_targets_and_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="masked array"):
        trained().fit(IMAGES, np.ma.masked_array(LABELS, LABELS > 1))
    with pytest.raises(DataError, match="'classes'"):
        trained().fit(archive(tmp_path, x=IMAGES, y=NAMES, classes=["ant", "bee"]))
    with pytest.raises(DataError, match="labels are missing"):
        trained().fit([Image.fromarray(IMAGES[0, 0])])
