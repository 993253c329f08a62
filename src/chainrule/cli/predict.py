"""`chainrule predict`."""

import sys
from pathlib import Path
from typing import Any

import click

from chainrule.cli import options
from chainrule.cli.program import FAILED, say
from chainrule.errors import ChainruleError

RUNNERS_UP = 2


@click.command(short_help="What pictures show.")
@click.argument("run", metavar="RUN", type=options.PATH)
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=options.WORD)
@click.option("--as-is", is_flag=True, help="Only resize a digit; do not centre and scale it as MNIST was made.")
@options.machine
@options.as_json
def predict(
    run: Path, images: tuple[str, ...], as_is: bool, engine: str | None, threads: int | None, as_json: bool
) -> None:
    """What pictures show: the class, how sure the model is, and the runners-up.

    RUN is a run folder, or a model.safetensors file; an IMAGE is a PNG or JPEG. For a model of handwritten digits, a
    photographed or drawn digit is found, centred and scaled as the makers of MNIST did it.
    """
    from chainrule.cli import opened
    from chainrule.cli.output import json_out

    model, _ = opened.model_and_job(run, engine=engine, threads=threads)
    pixels, refused = _read(model, images, as_is)
    if not pixels:
        raise refused[0]
    found = _answers(model, pixels)
    if as_json:
        json_out(found)
    else:
        click.echo(_text(found))
    for error in refused:
        say(str(error))
    if refused:
        sys.exit(FAILED)


def _read(model: Any, images: tuple[str, ...], as_is: bool) -> tuple[list[tuple[str, Any]], list[ChainruleError]]:
    """Pictures with their pixels, and the errors of those that cannot be read, which do not spoil the others."""
    from chainrule.cli import opened

    pixels: list[tuple[str, Any]] = []
    refused: list[ChainruleError] = []
    for image in images:
        try:
            pixels.append((image, opened.pixels(model, image, as_is=as_is)))
        except ChainruleError as error:
            refused.append(error)
    return pixels, refused


def _answers(model: Any, pixels: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """For every picture: image, label, confidence, and the runners-up."""
    import numpy as np

    from chainrule.training.evaluation import confidences

    found: list[dict[str, Any]] = []
    outputs = model.predict(np.stack([each for _, each in pixels]))
    for (image, _), shares in zip(pixels, confidences(outputs, model.loss), strict=True):
        first, *others = np.argsort(-shares, kind="stable")[: 1 + RUNNERS_UP]
        rest = [{"label": model.classes[place], "confidence": float(shares[place])} for place in others]
        label, confidence = model.classes[first], float(shares[first])
        found.append({"image": image, "label": label, "confidence": confidence, "runners_up": rest})
    return found


def _text(found: list[dict[str, Any]]) -> str:
    from chainrule.cli.output import percent, table

    rows = [["image", "label", "confidence", "runners-up"]]
    for answer in found:
        others = [f"{other['label']} {percent(other['confidence'], 1)}" for other in answer["runners_up"]]
        rows.append([answer["image"], answer["label"], percent(answer["confidence"], 1), ", ".join(others)])
    return table(rows, right=(2,))
