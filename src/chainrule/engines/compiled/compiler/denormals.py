"""Code that makes threads flush denormal floats to 0.

On x86, arithmetic on denormal floats is up to 100 times slower, so programs flush them to 0. Denormals occur in
training: vanishing gradients become denormal, and if many gradients stay 0, many moments decay through the denormal
range at the same time. In this case, an update took 1.6 times as long, and a step twice as long. A program sets two
bits of the MXCSR register in the calling thread and restores them afterwards. In threads of the pool, these bits remain
set. Other processors are not slowed down by denormals.
"""

from typing import Any

from chainrule.engines.compiled.compiler.kernel_values import I8, I32, ir, pointer_to

FLUSH_BITS = 0x8040  # bits of MXCSR: flush denormal results to 0 (FTZ), and treat denormal operands as 0 (DAZ)
MXCSR_PROCESSORS: tuple[str, ...] = ("x86_64", "i686")


def flush_denormals(builder: Any, processor: str) -> Any:
    """Emit code that makes the current thread flush denormals to 0.

    Return a pointer to the previous contents of MXCSR, or None on processors without this register.

    processor  processor family, the first word of LLVM's target triple
    """
    if processor not in MXCSR_PROCESSORS:
        return None
    saved = builder.alloca(I32)
    changed = builder.alloca(I32)
    _call(builder, "stmxcsr", saved)
    builder.store(builder.or_(builder.load(saved, typ=I32), I32(FLUSH_BITS)), changed)
    _call(builder, "ldmxcsr", changed)
    return saved


def restore_denormals(builder: Any, saved: Any) -> None:
    """Emit code that restores the contents of MXCSR saved by `flush_denormals`."""
    if saved is not None:
        _call(builder, "ldmxcsr", saved)


def _call(builder: Any, instruction: str, place: Any) -> None:
    name = f"llvm.x86.sse.{instruction}"
    kind = ir.FunctionType(ir.VoidType(), [pointer_to(I8)])
    module = builder.module
    function = module.globals.get(name) or ir.Function(module, kind, name)
    builder.call(function, [builder.bitcast(place, pointer_to(I8))])
