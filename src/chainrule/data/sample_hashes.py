"""Hashes of samples, by which a network recognizes samples that it was trained on.

Of many samples, only the smallest hashes are kept. They are those of a random selection of the samples, which is the
same for equal samples (a bottom-k sketch, Cohen and Kaplan 2007).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array
from chainrule.core.randomness import generator
from chainrule.data.sources import PROBE_SAMPLES, SampleSource, blocks

KEPT = 256  # hashes that are kept; of fewer training samples, all are known
WORD_BYTES = 4
HASH_BITS = 52  # JSON numbers are exact up to 2^53


def hashes_of(x: Array | SampleSource | None) -> NDArray[np.uint64]:
    """Return a hash of each sample, (N,), which depends on its values, but not on their dtype.

    The result is empty for None, and for more than `PROBE_SAMPLES` image files, which would have to be decoded.
    """
    if x is None or (isinstance(x, SampleSource) and x.decodes and len(x) > PROBE_SAMPLES):
        return np.empty(0, np.uint64)
    parts = [np.empty(0, np.uint64)]
    for block in blocks(x):
        rows = np.ascontiguousarray(block).reshape(len(block), -1)
        with np.errstate(invalid="ignore"):
            as_bytes = rows.astype(np.uint8)
        hashes = _hashes_of_rows(as_bytes)
        if block.dtype != np.uint8:
            are_bytes = (as_bytes == rows).all(1)
            hashes = np.where(are_bytes, hashes, _hashes_of_rows(rows.astype(np.float32)))
        parts.append(hashes)
    return np.concatenate(parts)


def _hashes_of_rows(rows: Array) -> NDArray[np.uint64]:
    """Return a hash of each row, (N,): the first bits of Σ a[i] w[i] for its words w and random a (multiply-shift)."""
    content = rows.view(np.uint8)
    padding = -content.shape[1] % WORD_BYTES
    words = np.pad(content, ((0, 0), (0, padding))).view(np.uint32)
    factors = np.frombuffer(generator(0, "hash").bytes(8 * words.shape[1]), np.uint64)
    return (words.astype(np.uint64) @ factors) >> np.uint64(64 - HASH_BITS)


def kept(before: Sequence[int], x: Array | SampleSource | None) -> tuple[int, ...]:
    """Return the smallest hashes of training samples x (N, …) and of those of earlier trainings."""
    hashes = np.concatenate([np.array(before, np.uint64), hashes_of(x)])
    return tuple(np.unique(hashes)[:KEPT].tolist())


def overlap(training: Sequence[int], x: Array | SampleSource | None) -> str | None:
    """Return a sentence about the samples x (N, …) that a network was trained on; None if there seem to be none.

    training   hashes of the training samples, from `kept`
    """
    if not training:
        return None
    hashes = compared = hashes_of(x)
    is_exact = len(training) < KEPT
    if not is_exact:
        compared = hashes[hashes <= max(training)]
    repeated = int(np.isin(compared, np.array(training, np.uint64)).sum())
    if not repeated:
        return None
    count = round(len(hashes) * repeated / len(compared))
    amount = f"{count:,}" if is_exact else f"about {count:,}"
    return f"the network was trained on {amount} of these {len(hashes):,} samples"
