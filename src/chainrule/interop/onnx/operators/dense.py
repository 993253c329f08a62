"""Dense layers: products of values and constant matrices."""

import math
import string

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.assembly import permuted
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Array, Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.positions import settled
from chainrule.interop.onnx.operators.resampling import write_resize
from chainrule.interop.onnx.operators.shapes import moved
from chainrule.interop.onnx.operators.terms import ScaledTerm


def read_gemm(call: Call) -> Feature:
    """Return Dense with the weights α B and the bias β C; without a batch axis, as MatMul.

    C is a bias only if it is a constant with the same numbers for all rows. Otherwise, it is added in another layer.
    The usual α = 1 leaves the weights as they are, because several nodes may share them.
    """
    a, b = call.feature(), call.constant(1)
    if len(a.shape) < 2 or b.ndim != 2:
        raise call.invalid(f"inputs of {len(a.shape)} and {b.ndim} axes", "two matrices")
    columns = b if call.integer("transB", 0) else b.T
    alpha, beta = call.real("alpha", 1.0), call.real("beta", 1.0)
    w = columns if alpha == 1 else columns * np.asarray(alpha, b.dtype)
    x = a if a.batched or len(a.shape) > 2 else a.with_axes(2)
    if call.integer("transA", 0):
        matrix, _ = call.sample_axes(x, [0])
        x = matrix.with_node(permuted(matrix.node, (1, 0)))
    if w.shape[1] != x.shape[-1]:
        raise call.invalid(f"matrices of {x.shape} and {w.T.shape}", "as many rows in B as columns in A")
    c = call.values[2] if call.has_input(2) else None
    if isinstance(c, Feature):
        return (ScaledTerm(call, _dense(call, x, w)) + ScaledTerm(call, c) * beta).feature
    addend = None if c is None else c * np.asarray(beta, c.dtype)
    if addend is None:
        return _dense(call, x, w)
    if addend.ndim <= 2 and math.prod(addend.shape[:-1]) == 1:
        return _dense(call, x, w, np.broadcast_to(addend, (1, len(w)))[0])
    return (ScaledTerm(call, _dense(call, x, w)) + addend).feature


def _dense(call: Call, x: Feature, w: Array, bias: Array | None = None, *, shared: bool = True) -> Feature:
    """Return the products of the last axis of a value with the rows of a matrix, plus a bias.

    A sample with one axis becomes Dense, and one with several axes a 1×1 convolution.

    shared   whether nodes with the same constants become one layer with shared weights
    """
    *others, size = x.node.shape
    weights = {"w": w} if bias is None else {"w": w, "b": bias}
    if not others:
        return call.weighted("Dense", x, {"features": len(w), "bias": bias is not None}, weights, shared=shared)
    positions = others if len(others) == 2 else (math.prod(others), 1)
    first = call.reshape(x.with_node(permuted(x.node, [len(others), *range(len(others))])), (size, *positions))
    options = {"filters": len(w), "kernel": 1, "bias": bias is not None}
    y = call.weighted("Conv2D", first, options, weights | {"w": w[:, :, None, None]}, shared=shared)
    y = call.reshape(y, (len(w), *others))
    return y.with_node(permuted(y.node, [*range(1, len(others) + 1), 0]))


def read_linear_regressor(call: Call) -> Feature:
    """Return Dense."""
    call.choice("post_transform", "NONE")
    w = np.array(call.reals("coefficients"), np.float32).reshape(call.integer("targets", 1), -1)
    intercepts = np.array(call.reals("intercepts") or [0.0], np.float32)
    return _dense(call, call.batched_input(2), w, np.broadcast_to(intercepts, len(w)))


def write_gemm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Gemm."""
    x, *weights = operation.reads
    return graph.node(
        "Gemm", graph.view(x), *map(graph.weight, filter(None, weights)), shape=operation.writes[0].shape, transB=1
    )


def read_matmul(call: Call) -> Feature:
    """Return Dense for a constant matrix on the right, or a 1×1 convolution for several axes; a constant that is added
    next becomes its bias.
    """
    place = call.first_feature
    x, w = call.feature(place), _matrix(call, 1 - place)
    axis = -1 - place if len(x.shape) > 1 else -1
    if w.shape[-place] != x.shape[axis]:
        raise call.invalid(f"matrices of {x.shape} and {w.shape}", "as many rows in B as columns in A")
    if place or w.ndim == 1:  # the constant is on the left, or a vector
        letters = string.ascii_lowercase[: len(x.shape)]
        summed, added = letters[axis], "Z" * (w.ndim - 1)
        own = added + summed if place else summed + added
        return _contracted(call, x, letters, w, own, letters.replace(summed, added))
    if x.batched and len(x.shape) == 1:
        x, _ = call.sample_axes(x, [0])
    bias = call.fuse_following_add((*[1] * (len(x.shape) - 1), w.shape[1]))
    bias = None if bias is None else np.broadcast_to(bias.reshape(-1), w.shape[1])
    return _dense(call, x, w.T, bias, shared=bias is None)


def _matrix(call: Call, index: int) -> Array:
    """Return a constant with one or two axes, after removal of leading axes of size 1."""
    w = call.constant(index)
    while w.ndim > 2 and len(w) == 1:
        w = w[0]
    most = max(len(call.feature(1 - index).shape), 2)  # axes; more would add axes of size 1 to the result
    if not 1 <= w.ndim <= 2 or (call.constant(index).ndim > most and w.ndim > 1):
        raise call.unsupported(f"a constant of shape {call.constant(index).shape}", "a matrix")
    return w


def read_einsum(call: Call) -> Feature:
    """Return a 1×1 convolution for a value and a constant matrix, or Permute for one value."""
    inputs, output = _subscripts(call)
    place = call.first_feature
    x, letters = call.feature(place), inputs[place]
    if len(inputs) == 1 and sorted(letters) == sorted(output):
        return moved(call, x, lambda places: places.transpose([letters.index(letter) for letter in output]))
    if len(inputs) != 2:
        raise call.unsupported(f"equation {','.join(inputs)}->{output}", "a value and a constant, or a transposition")
    return _contracted(call, x, letters, call.constant(1 - place), inputs[1 - place], output)


def _contracted(call: Call, x: Feature, letters: str, w: Array, own: str, output: str) -> Feature:
    """Return a sum of products of a value with a constant, as Einsum defines it by letters for all axes.

    In ncw,kc->nkw, c is summed, k is added, and n and w are kept. The value becomes rows (n, w, c), the constant a
    matrix (k, c), and Dense gives (n, w, k), whose axes are then permuted to (n, k, w).

    letters, own, output   letters of the axes of the value, the constant and the result
    """
    summed = [letter for letter in letters if letter in own and letter not in output]
    added = [letter for letter in own if letter in output and letter not in letters]
    kept = [letter for letter in letters if letter not in own and letter in output]
    if len(summed) + len(added) != len(own) or len(summed) + len(kept) != len(letters) or not summed:
        raise call.unsupported(f"equation {letters},{own}->{output}", "a sum of products with a constant matrix")
    sizes = dict(zip(letters, x.shape, strict=True)) | dict(zip(own, w.shape, strict=True))
    matrix = w.transpose([own.index(letter) for letter in (*added, *summed)])
    input_order = [letters.index(letter) for letter in (*kept, *summed)]
    kept_sizes, added_sizes = ([sizes[letter] for letter in part] for part in (kept, added))
    rows = settled(moved(call, x, lambda places: places.transpose(input_order).reshape(*kept_sizes, -1)))
    y = _dense(call, rows, matrix.reshape(math.prod(added_sizes), -1))
    output_order = [[*kept, *added].index(letter) for letter in output]
    return moved(call, y, lambda places: places.reshape(*kept_sizes, *added_sizes).transpose(output_order))


def _subscripts(call: Call) -> tuple[list[str], str]:
    """Return the letters of each input and of the result; FormatError for repeated letters and for an ellipsis."""
    equation = call.text("equation", "").replace(" ", "")
    left, arrow, output = equation.partition("->")
    inputs = left.split(",")
    letters = "".join(inputs)
    output = output if arrow else "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    ranks = [len(value.shape) for value in call.values if value is not None]
    if any(len(set(part)) != len(part) for part in (*inputs, output)) or [*map(len, inputs)] != ranks or not output:
        raise call.unsupported(f"equation {equation!r}", "each letter once in an input, and no ellipsis")
    return inputs, output


OPERATORS = (
    Operator("Gemm", read_gemm, {"dense": write_gemm}),
    Operator("LinearRegressor", read_linear_regressor, domains=("ai.onnx.ml",)),
    Operator("MatMul", read_matmul, {"resample": write_resize}),
    Operator("Einsum", read_einsum),
)
