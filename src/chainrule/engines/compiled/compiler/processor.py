"""The processor that kernels are compiled for: its vector registers, and how it treats denormal floats.

CHAINRULE_VECTOR=128, 256 or 512 sets their width in bits, so that the code for another processor (SSE, AVX2, AVX-512)
can be tested, or measured, on one that has more. Compiled programs of each width have a folder of their own.

On x86, arithmetic with denormal floats is up to 100 times slower, so programs take them as 0. The moments of weights
whose gradient stays 0 shrink through their range, many at the same time, and so do gradients that vanish: an update
took 1.6 times as long meanwhile, a step twice. A program sets two bits of the register MXCSR of the thread that runs
it, and restores it afterwards; the threads of the pool keep them set. Other processors are as fast with denormals.

Tried with llvmlite 0.44 and 0.50: the spelling of llvmlite's `get_host_cpu_features`.
"""

import os
from collections.abc import Mapping
from typing import Any

import llvmlite.binding as _binding

from chainrule.engines.compiled.compiler.kernel_values import I8, I32, ir, pointer_to
from chainrule.errors import OptionError

VARIABLE = "CHAINRULE_VECTOR"
WIDTHS = (128, 256, 512)
# Features of x86 processors that a width has not, by the beginning of their names.
EXCLUDED_FEATURES = {
    512: (),
    256: ("avx512", "avx10", "evex512"),
    128: ("avx", "evex", "fma", "f16c", "vaes", "vpclmul", "xop"),
}


def vector_bits(setting: str | None, features: Mapping[str, bool]) -> int:
    """Return the bits of a vector register: those of CHAINRULE_VECTOR, or the most that such a processor has.

    Errors   OptionError for a width that is none, or that the processor does not have
    """
    widest = 512 if features.get("avx512f") else 256 if features.get("avx") else 128
    if not setting:
        return widest
    allowed = [str(bits) for bits in WIDTHS if bits <= widest]
    if setting not in allowed:
        raise OptionError(
            f"{VARIABLE}={setting}: expected a register width that this processor has: {', '.join(allowed)}"
        )
    return int(setting)


def feature_string(bits: int, features: Mapping[str, bool]) -> str:
    """Return the features of a processor as LLVM reads them, without those that need registers of more bits."""
    without = EXCLUDED_FEATURES[bits]
    return ",".join(
        f"{'+' if has and not name.startswith(without) else '-'}{name}" for name, has in sorted(features.items())
    )


_FEATURES: dict[str, bool] = dict(_binding.get_host_cpu_features())
_BITS = vector_bits(os.environ.get(VARIABLE), _FEATURES)

WIDTH = _BITS // 8  # bytes of a vector register
COUNT = 32 if _BITS == 512 or _binding.get_process_triple().startswith(("aarch64", "arm64")) else 16  # registers
HAS_MASKS = _BITS == 512  # whether storing some lanes of a vector is as fast as storing all
NAME: str = _binding.get_host_cpu_name()
FEATURES = feature_string(_BITS, _FEATURES)

FLUSH_BITS = 0x8040  # results that are denormal become 0, and operands that are count as 0
MXCSR_PROCESSORS: tuple[str, ...] = ("x86_64", "i686")


def flush_denormals(builder: Any, processor: str) -> Any:
    """Emit code after which denormal floats are 0 for a thread; return the place of what was set before, if it matters.

    processor  the first word of LLVM's name for the machine
    """
    if processor not in MXCSR_PROCESSORS:
        return None
    saved, changed = builder.alloca(I32), builder.alloca(I32)
    _call(builder, "stmxcsr", saved)
    builder.store(builder.or_(builder.load(saved, typ=I32), I32(FLUSH_BITS)), changed)
    _call(builder, "ldmxcsr", changed)
    return saved


def restore_denormals(builder: Any, saved: Any) -> None:
    """Emit code that sets what was set before `flush_denormals`."""
    if saved is not None:
        _call(builder, "ldmxcsr", saved)


def _call(builder: Any, instruction: str, place: Any) -> None:
    name, kind = f"llvm.x86.sse.{instruction}", ir.FunctionType(ir.VoidType(), [pointer_to(I8)])
    module = builder.module
    function = module.globals.get(name) or ir.Function(module, kind, name)
    builder.call(function, [builder.bitcast(place, pointer_to(I8))])
