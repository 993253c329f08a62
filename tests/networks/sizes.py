"""Small layers that are divided among threads like large ones, in small chunks, blocks and parts."""

import contextlib
from collections.abc import Generator
from dataclasses import replace
from unittest import mock

from chainrule.engines.native import program_tables, programs
from chainrule.engines.native.kernels.selection import KERNELS
from chainrule.engines.native.passes import memory, segments, sharing

SMALL = (  # sizes above which layers are shared by threads, gradients deferred and updates shared: of any layer
    (program_tables, {"DEFERRED_WEIGHTS": 8, "ROWS": 16, "WIDE_BLOCK": 3}),
    (sharing, {"LARGE_GRADIENT": 16, "SHARED_FROM": 64}),
    (programs, {"MIN_THREADED_UPDATE": 8, "MIN_THREADED_UPDATE_ALONE": 8}),
    (memory, {"MIN_PART": 8, "MIN_THREADS": 2, "MIN_CHUNK": 1}),
    (
        segments,
        {"CACHE_BYTES": 1 << 12, "INFERENCE_BYTES": 1 << 11, "BLOCKS": (1, 5), "WIDE_BLOCK": 3, "SMALL_BYTES": 1 << 8},
    ),
)
SHARED_FROM = {"cross_correlate": 512, "dense": 8}  # 64 for any other kernel


@contextlib.contextmanager
def treated_as_large() -> Generator[None]:
    """Treat small layers like large ones in this context."""
    with contextlib.ExitStack() as stack:
        known = {name: entry for name, entry in KERNELS.items() if entry.shared_from is not None}
        shared = {name: replace(entry, shared_from=SHARED_FROM.get(name, 64)) for name, entry in known.items()}
        stack.enter_context(mock.patch.dict(KERNELS, shared))
        for module, sizes in SMALL:
            stack.enter_context(mock.patch.multiple(module, **sizes))
        yield
