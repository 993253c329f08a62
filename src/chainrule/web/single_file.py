"""The page as one self-contained file: its modules, its styles, a network, images and a few frames.

The format of the file, as read by `source/file.js`:

    globalThis.chainruleScript    the address of a classic script with all modules, which the page and its workers run:
                                  new Worker(address), WITHOUT {type: "module"} (Chromium refuses that in a page opened
                                  from disk)
    <script type="application/json" id="chainrule-data">, an object:
        format        1
        description   the answer of `GET /api/description`
        samples       {count, floats, labels, targets, shape, x: PACKED}: every class is among them; x: bytes or
                      floats; targets is null for classes
        training      TrainingState of page/types.js at the time of writing (running is false)
        series        {first: 1, loss: PACKED, accuracy: PACKED}: loss and accuracy of every step so far (float32);
                      lengths may be 0
        frames        by step, from the first (usually step 0) to the newest, which is the last:
                      [{step, rate, parameters: PACKED, statistics: PACKED, moments}, …]
                      moments: [PACKED, …], null (not kept), or "zeros" (before the first step)
        batch_step    the training step after one of the frames, null if unknown (see `BatchStep`): {step, norm, scale,
                      numbers, labels, images: PACKED, targets: PACKED, weights: PACKED or null, parameters: PACKED,
                      statistics: PACKED}. parameters, statistics: the bits of the frame before the step XOR those of
                      the frame after it
    PACKED   {length, planes, base64}: base64 of deflate-raw (DecompressionStream("deflate-raw")) of bytes.
             planes 1: `length` bytes as they are.
             planes 4: `length` float32, little-endian, as four planes of `length` bytes each: byte k of value n
             is at k·length + n.
The script with the modules is in `<script type="application/json" id="chainrule-modules">`: PACKED bytes.
"""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chainrule._io import files
from chainrule.engines.protocol import Array
from chainrule.errors import ChainruleError, DataError, OptionError
from chainrule.web import document, subjects
from chainrule.web.document import Packed, pack, pack_numbers
from chainrule.web.frames import Frame
from chainrule.web.replaying import BatchStep
from chainrule.web.session import Session
from chainrule.web.subjects import PageSubject

FORMAT = 1
BUDGET = 5_000_000  # bytes; further frames are added while the file is smaller
LIMIT = 20_000_000  # bytes, maximum size of a file
KEYFRAMES = (100, 10, 1000)  # steps of further frames, in order of priority
MAX_IMAGES, MAX_IMAGE_BYTES = 60, 400_000


@dataclass(frozen=True)
class Written:
    """A written file.

    size      size in bytes
    lacking   what is missing, images or steps of the run, and why; None if nothing is
    """

    size: int
    lacking: str | None


def write(path: Path, subject: PageSubject, *, needs_data: bool = False) -> Written:
    """Write the page with a subject to a file, atomically.

    needs_data   whether data that cannot be used are an error
    Errors       OptionError if the file would be larger than `LIMIT`; DataError
    """
    session = Session(subject, threaded=False)
    try:
        if needs_data and not len(session.sample_images().x):
            raise DataError(session.problem or "there are no test images")
        content = file_bytes(session)
        lacking = None
        if subject.untrainable is None:
            lacking = _lacking(session)
    finally:
        session.close()
    files.write_atomic(path, content)
    return Written(len(content), lacking)


def _lacking(session: Session) -> str | None:
    """Return what the file lacks because training is not available."""
    if session.problem is None:
        return None
    images = "no images, and"
    if len(session.sample_images().x):
        images = "test images, but"
    return f"the page has {images} only the first and the newest step: {session.problem}"


def file_bytes(session: Session, budget: int = BUDGET, limit: int = LIMIT) -> bytes:
    """Return the content of the file: the page with the newest frame, the first frame, one step, and further frames.

    budget   maximum size in bytes for adding frames from early in training
    limit    maximum size in bytes for adding the step with its batch, and frames of a custom walk. If the newest and
             the first frame exceed it, only the newest frame is included, without moments
    Errors   OptionError if the file exceeds `limit` even then
    """
    page = document.inlined_page()
    newest = session.frame(None, threading.Event())
    first = _frame(session, 0)
    frames = {newest.step: _packed(newest)}
    if first is not None and first.step != newest.step:
        frames[first.step] = _packed(first)
    content = _assemble(page, session, frames)
    if len(content) > limit:
        frames = {newest.step: _packed(replace(newest, moments=None))}
        content = _assemble(page, session, frames)
    if len(content) > limit:
        size = f"{len(content) / 1e6:.1f} MB"
        raise OptionError(f"{session.subject.title}: the file would be {size}; expected at most {limit / 1e6:.0f} MB")
    early = session.early
    step = _batch_step(session, session.shown_step)
    if step is not None:
        with_frame = frames | {step.before.step: _packed(step.before)}
        larger_content = _assemble(page, session, with_frame, step)
        if len(larger_content) <= limit:
            frames = with_frame
            content = larger_content
        else:
            step = None
    walked = {stop.step for stop in session.subject.walk or ()}
    for frame in _keyframes(session, newest.step, walked, early):
        with_frame = {frame.step: _packed(frame)} | frames
        larger_content = _assemble(page, session, with_frame, step)
        most = budget
        if frame.step in walked:
            most = limit
        if len(larger_content) > most:
            break
        frames = with_frame
        content = larger_content
    return content


def _batch_step(session: Session, step: int) -> BatchStep | None:
    """Return the training step after frame `step`, or None if it cannot be computed, such as without the data."""
    try:
        return session.batch_step(step, threading.Event())
    except ChainruleError:
        return None


def _keyframes(session: Session, newest: int, walked: set[int | None], early: int | None) -> Iterable[Frame]:
    """Yield frames before the newest step, without moments: those of a custom walk, then some from early in training.

    walked   steps shown by the walk
    early    see `early_step`
    """
    steps = sorted(step for step in walked if step is not None)
    if early is not None:
        steps.append(early)
    steps += KEYFRAMES
    for step in dict.fromkeys(steps):
        if not 0 < step < newest:
            continue
        frame = _frame(session, step)
        if frame is not None:
            yield replace(frame, moments=None)


def _frame(session: Session, step: int) -> Frame | None:
    """Return the frame of a step, or None if it cannot be computed, such as without the data."""
    try:
        return session.frame(step, threading.Event())
    except ChainruleError:
        return None


def _assemble(
    page: document.PageTemplate, session: Session, frames: Mapping[int, object], step: BatchStep | None = None
) -> bytes:
    """Return the content of the file with packed frames, by step, and a training step."""
    series = session.series(0)
    packed_step = None
    if step is not None:
        packed_step = _packed_step(step)
    content = {
        "format": FORMAT,
        "description": session.description(),
        "samples": _samples(session),
        "training": {**session.state(), "running": False, "message": session.left_out()},
        "series": {
            "first": 1,
            "loss": _column(series["loss"]),
            "accuracy": _column(series["accuracy"]),
        },
        "frames": [frames[step] for step in sorted(frames)],
        "batch_step": packed_step,
    }
    return document.assemble(page, json.dumps(content, separators=(",", ":"), allow_nan=False))


def _column(values: Sequence[float | None]) -> Packed:
    """Pack numbers of JSON, where None is a number that is not finite."""
    return pack_numbers(np.array(values, np.float32))


def _samples(session: Session) -> dict[str, object]:
    all_images = session.sample_images()
    size = max(all_images.x.nbytes // max(len(all_images.x), 1), 1)
    count = max(1, min(MAX_IMAGES, MAX_IMAGE_BYTES // size))
    if all_images.targets is None:
        images = subjects.choose_images(all_images.x, all_images.labels, count)
    elif len(session.subject.model.output_shape) > 1:
        images = all_images
    else:
        images = all_images.first(count)
    shape = list(images.x.shape[1:])
    return {**images.about(), "shape": shape, "x": pack(images.x)}


def _packed(frame: Frame) -> dict[str, object]:
    moments: object = None
    if frame.moments is not None:
        moments = list(map(pack_numbers, frame.moments))
        if frame.step == 0:
            moments = "zeros"
    return {
        "step": frame.step,
        "rate": frame.rate,
        "parameters": pack_numbers(frame.parameters),
        "statistics": pack_numbers(frame.statistics),
        "moments": moments,
    }


def _packed_step(step: BatchStep) -> dict[str, object]:
    _, targets, weights = step.batch
    packed_weights = None
    if weights is not None:
        packed_weights = pack_numbers(weights)
    return {
        "norm": step.norm,
        "scale": step.scale,
        "numbers": step.numbers,
        "labels": step.labels,
        "step": step.before.step,
        "images": pack(step.images),
        "targets": pack_numbers(targets),
        "weights": packed_weights,
        "parameters": _packed_change(step.before.parameters, step.after.parameters),
        "statistics": _packed_change(step.before.statistics, step.after.statistics),
    }


def _packed_change(before: Array, after: Array) -> Packed:
    """Pack the bits that differ. Most leading bits are zero, so that they take less space than the array `after`."""
    first = np.ascontiguousarray(before, "<f4").view("<u4")
    second = np.ascontiguousarray(after, "<f4").view("<u4")
    return pack_numbers((first ^ second).view("<f4"))
