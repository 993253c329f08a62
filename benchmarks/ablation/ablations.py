"""The optimizations of the compiled engine, and how to disable each of them while programs are compiled.

An ablation replaces a pass by one that changes nothing, removes a kernel from the candidates of an operation, or
replaces a constant or function that kernels and passes read.
"""

import importlib
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from benchmarks.kernel_choice import ESTIMATES
from chainrule.engines.compiled.compiler import inlined
from chainrule.engines.compiled.kernels import row_tiles, selection
from chainrule.engines.compiled.kernels.registry import UNCONDITIONAL, Conditions, Share
from chainrule.engines.compiled.passes import rewriting, segments, sharing
from chainrule.engines.compiled.passes.steps import PlanStep

ENGINE = "chainrule.engines.compiled"


@dataclass(frozen=True)
class Ablation:
    """An optimization to disable.

    replacements  "module.name" within the compiled engine → replacement, in every module that imports the object
    without       kernels that are not selected
    in_kernels    whether the replacements change the code of kernels, and not only the program
    threaded      whether the optimization is about the division of work among threads
    """

    name: str
    replacements: Mapping[str, Any] = field(default_factory=dict[str, Any])
    without: tuple[str, ...] = ()
    in_kernels: bool = False
    threaded: bool = False

    @contextmanager
    def disabled(self) -> Generator[None]:
        """Disable the optimization for programs that are created, and called for the first time, in this context."""
        replacements = dict(self.replacements)
        if self.without:
            replacements["kernels.selection.select_kernel"] = _selection_without(self.without)
        with ExitStack() as stack:
            for path, replacement in replacements.items():
                for module, name in _owners(path):
                    stack.enter_context(patch.object(module, name, replacement))
            yield


def _owners(path: str) -> list[tuple[Any, str]]:
    """Return the modules of the engine that contain the object at a path under its name, with this name."""
    module, _, name = path.rpartition(".")
    original = getattr(importlib.import_module(f"{ENGINE}.{module}"), name)
    modules = [module for path, module in [*sys.modules.items()] if path.startswith(ENGINE)]
    return [(module, name) for module in modules if vars(module).get(name) is original]


def _selection_without(names: Sequence[str]) -> Callable[..., str]:
    """Return a replacement for `selection.select_kernel` that never selects these kernels."""

    def select(
        name: str,
        arrays: Sequence[Any],
        attributes: Mapping[str, Any],
        itemsize: int,
        conditions: Conditions = UNCONDITIONAL,
    ) -> str:
        estimates = ESTIMATES[name](arrays, attributes, itemsize, conditions) if name in ESTIMATES else {}
        for entry in selection.ALTERNATIVES.get(name, ()):
            fits = entry.name not in (*names, *estimates) and entry.fits(arrays, attributes, itemsize, conditions)
            if fits:
                return entry.name
        candidates = {kernel: estimate for kernel, estimate in estimates.items() if kernel not in names}
        return min(candidates, key=lambda kernel: candidates[kernel]) if candidates else name

    return select


def _unchanged(plan: Any, *_: Any) -> Any:
    return plan


def _never(*_: Any, **__: Any) -> bool:
    return False


def _always(*_: Any) -> bool:
    return True


def _largest_block(_: int) -> int:
    return segments.WIDE_BLOCK


def _without_epilogue(name: str) -> dict[str, Any]:
    """Return the replacement for an engine whose kernels cannot apply one kind of operation to their results."""
    original = rewriting._is_open  # pyright: ignore[reportPrivateUsage]

    def is_open(step: PlanStep, epilogue: str) -> bool:
        return epilogue != name and original(step, epilogue)

    return {"passes.rewriting._is_open": is_open}


def _by_filters(shape: tuple[int, ...], size: int, half: float, *_: Any, **__: Any) -> Share:
    return Share(("lowest", "highest"), shape[0], size, half)


def _never_wide(operations: Sequence[PlanStep], _: int) -> list[bool]:
    return [False for _ in operations]


def _one_after_the_other(arrays: Sequence[Any]) -> int:
    """Replace `arena.place`: no arrays share memory."""
    end = 0
    for array in arrays:
        array.offset, end = end, end + array.size
    return end


def _many_weights(dx: PlanStep) -> bool:
    """Replace `sharing._has_many_weights`: divide dx by outputs wherever this is possible."""
    w = dx.reads[1]
    return w is not None and dx.attributes.get("groups", 1) == 1 and w.shape[0] % sharing.OUTPUT_PARTS == 0


def _with_whole_dense_gradients(dx: PlanStep, itemsize: int, *, precise: bool) -> PlanStep:
    """Replace `sharing._by_outputs`: threads divide the columns of a dense layer, or compute a convolution alone."""
    return replace(dx, scope="batch") if dx.name == "dense_dx" else dx


@inlined
def _filters_without_6(outs: int) -> int:
    even, five = -outs % row_tiles.BASE_TILE[2], -outs % 5
    return 5 if five < even else row_tiles.BASE_TILE[2]


@inlined
def _filters_without_5(outs: int) -> int:
    even, six = -outs % row_tiles.BASE_TILE[2], -outs % 6
    return row_tiles.BASE_TILE[2] if even <= six else 6


@inlined
def _all_in_tall_tiles(vectors: int, tile_rows: int, rest_rows: int) -> int:
    return (vectors + tile_rows - 1) // tile_rows * tile_rows


@inlined
def _same_stride(size: int) -> int:
    return size


ROWS = "kernels.row_tiles"
BASE, SIX, FIVE = row_tiles.BASE_TILE, row_tiles.TILE_OF_6, row_tiles.TILE_OF_5
NEVER = 1 << 40  # as a threshold
KERNEL_ABLATIONS = {
    "y by vectors of filters": ("correlate_filters",),
    "y by rows without copies": ("correlate_rows",),
    "y tap by tap": ("correlate_taps",),
    "y by Winograd, 3×3": ("correlate_winograd",),
    "y by Winograd, 5×5": ("correlate_winograd_5x5",),
    "y of small groups": ("correlate_few",),
    "dx tap by tap": ("correlate_taps_dx",),
    "dx by Winograd, 3×3": ("correlate_winograd_dx",),
    "dx by Winograd, 5×5": ("correlate_winograd_5x5_dx",),
    "dx of small groups": ("correlate_few_dx",),
    "dw by vectors of filters": ("correlate_filters_dw",),
    "dw tap by tap": ("correlate_taps_dw",),
    "dw by Winograd, 3×3": ("correlate_winograd_dw",),
    "dw by Winograd, 5×5": ("correlate_winograd_5x5_dw",),
    "dw of small groups": ("correlate_few_dw",),
    "max pooling without winners": ("largest_cells",),
    "2×2 max pooling": ("max_pool_2x2",),
    "2×2 average pooling": ("average_pool_2x2", "average_pool_2x2_dx"),
    "average pooling of whole images": ("average_pool_whole", "average_pool_whole_dx"),
}
PASS_ABLATIONS: dict[str, dict[str, Any]] = {
    "pooling before activation": {"passes.rewriting.move_pooling": _unchanged},
    "normalization in convolution": {"passes.batch_norm.scale_convolutions": _unchanged},
    "joint gradients of normalization": {"passes.batch_norm.join_norm_gradients": _unchanged},
    "fusion with the previous kernel": {"passes.rewriting.fuse": _unchanged},
    "fusion of ReLU": _without_epilogue("rectify"),
    "fusion of max pooling": _without_epilogue("pooled"),
    "wide blocks": {"passes.segments._wide": _never_wide},
    "small blocks": {"passes.segments.block_size": _largest_block},
    "arrays share memory": {"codegen.workspaces.place": _one_after_the_other},
}
THREAD_ABLATIONS: dict[str, dict[str, Any]] = {
    "divided normalization": {"passes.batch_norm.divide_norms": _unchanged},
    "dense gradients once per batch": {"passes.sharing.share_large_gradients": _unchanged},
    "dense gradients in the update": {"codegen.gradient_lines.DEFERRED_WEIGHTS": NEVER},
    "layers of one sample divided": {"passes.sharing.is_worth_sharing": _never},
    "threshold of division": {"passes.sharing.is_worth_sharing": _always},
    "division by channels": {"passes.sharing._by_channels": list},
    "division by rows": {"kernels.registry.rows_or_filters": _by_filters},
    "threads continue with their part": {"passes.segments._goes_on": _never},
    "dw and dx concurrent": {"passes.sharing._has_many_weights": _many_weights},
    "dx by outputs": {
        "passes.sharing._has_many_weights": _never,
        "passes.sharing._by_outputs": _with_whole_dense_gradients,
    },
    "update on one thread": {"programs.MIN_THREADED_UPDATE": 0, "programs.MIN_THREADED_UPDATE_ALONE": 0},
}
TILE_ABLATIONS: dict[str, dict[str, Any]] = {
    "tiles of six filters": {f"{ROWS}.filters_per_tile": _filters_without_6, "kernels.choice.ROW_TILES": (BASE, FIVE)},
    "tiles of five filters": {f"{ROWS}.filters_per_tile": _filters_without_5, "kernels.choice.ROW_TILES": (BASE, SIX)},
    "small tiles at the end of rows": {f"{ROWS}.in_tall_tiles": _all_in_tall_tiles},
    "strides without cache conflicts": {"kernels.layout.conflict_free_stride": _same_stride},
    "dense columns copied": {"kernels.dense.MIN_READS_TO_COPY": NEVER},
}

ABLATIONS = (
    *(Ablation(name, replacements) for name, replacements in PASS_ABLATIONS.items()),
    *(Ablation(name, replacements, threaded=True) for name, replacements in THREAD_ABLATIONS.items()),
    *(Ablation(name, without=kernels) for name, kernels in KERNEL_ABLATIONS.items()),
    *(Ablation(name, replacements, in_kernels=True) for name, replacements in TILE_ABLATIONS.items()),
)
