"""Denormal floats, which programs take as 0: on x86, arithmetic with them is up to 100 times slower.

The moments of weights whose gradient stays 0 shrink through their range, many at the same time, and so do gradients
that vanish: an update took 1.6 times as long meanwhile, a step twice. A program sets two bits of the register MXCSR of
the thread that runs it, and puts back what was there; the threads of the pool keep them set. Other processors are about
as fast with denormal floats.

Tried with llvmlite 0.50, of which `ir` is used alone.
"""

from typing import Any

from chainrule.engines.compiled.compiler.kernel_values import BYTE, HALF, ir, pointer_to

TO_ZERO = 0x8040  # results that are denormal become 0, and operands that are count as 0
PROCESSORS: tuple[str, ...] = ("x86_64", "i686")


def take_as_zero(builder: Any, processor: str) -> Any:
    """Emit code after which denormal floats are 0 for a thread; return the place of what was set before, if it matters.

    processor  the first word of LLVM's name for the machine
    """
    if processor not in PROCESSORS:
        return None
    before, now = builder.alloca(HALF), builder.alloca(HALF)
    _call(builder, "stmxcsr", before)
    builder.store(builder.or_(builder.load(before, typ=HALF), HALF(TO_ZERO)), now)
    _call(builder, "ldmxcsr", now)
    return before


def put_back(builder: Any, before: Any) -> None:
    """Emit code that sets what was set before `take_as_zero`."""
    if before is not None:
        _call(builder, "ldmxcsr", before)


def _call(builder: Any, instruction: str, place: Any) -> None:
    name, kind = f"llvm.x86.sse.{instruction}", ir.FunctionType(ir.VoidType(), [pointer_to(BYTE)])
    module = builder.module
    function = module.globals.get(name) or ir.Function(module, kind, name)
    builder.call(function, [builder.bitcast(place, pointer_to(BYTE))])
