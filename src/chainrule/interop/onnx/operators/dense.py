"""Dense layers: products of values and constant matrices."""

import math

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.resampling import write_resize
from chainrule.interop.onnx.operators.terms import ScaledTerm


def read_gemm(call: Call) -> Feature:
    """Return Dense with the weights α B and the bias β C; without a batch axis, as MatMul.

    C is a bias only if it has the same numbers for all rows. Otherwise, it is added in another layer.
    The usual α = 1 leaves the weights as they are, because several nodes may share them.
    """
    x = call.feature()
    b = call.constant(1)
    if len(x.shape) < 2 or b.ndim != 2:
        raise call.invalid(f"inputs of {len(x.shape)} and {b.ndim} axes", "two matrices")
    w = b if call.integer("transB", 0) else b.T
    alpha = call.real("alpha", 1.0)
    beta = call.real("beta", 1.0)
    if alpha != 1:
        w = w * np.asarray(alpha, b.dtype)
    if not x.batched and len(x.shape) == 2:
        x = x.with_axes(2)
    if call.integer("transA", 0):
        raise call.unsupported("transA 1", "0")
    if w.shape[1] != x.shape[-1]:
        raise call.invalid(f"matrices of {x.shape} and {w.T.shape}", "as many rows in B as columns in A")
    c = call.optional_constant(2)
    if c is None:
        return _dense(call, x, w)
    addend = c * np.asarray(beta, c.dtype)
    if addend.ndim <= 2 and math.prod(addend.shape[:-1]) == 1:
        bias = np.broadcast_to(addend, (1, len(w))).reshape(-1)
        return _dense(call, x, w, bias)
    return (ScaledTerm(call, _dense(call, x, w)) + addend).feature


def _dense(call: Call, x: Feature, w: Array, bias: Array | None = None, *, shared: bool = True) -> Feature:
    """Return the products of the last axis of a value with the rows of a matrix, plus a bias.

    A sample with one axis becomes Dense, and one with several axes a 1×1 convolution.

    shared   whether nodes with the same constants become one layer with shared weights
    """
    *others, size = x.node.shape
    weights = {"w": w}
    if bias is not None:
        weights["b"] = bias
    if not others:
        options = {"features": len(w), "bias": bias is not None}
        return call.weighted("Dense", x, options, weights, shared=shared)
    positions = others
    if len(others) != 2:
        positions = [math.prod(others), 1]
    last = len(others)
    size_first = x.permuted([last, *range(last)])
    image = call.reshape(size_first, (size, *positions))
    options = {"filters": len(w), "kernel": 1, "bias": bias is not None}
    weights["w"] = w[:, :, None, None]
    y = call.weighted("Conv2D", image, options, weights, shared=shared)
    y = call.reshape(y, (len(w), *others))
    return y.permuted([*range(1, last + 1), 0])


def write_gemm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Gemm."""
    x, *parameters = operation.reads
    w, *bias = [tensor for tensor in parameters if tensor is not None]
    image = graph.view(x)
    kernel = graph.kernel(graph.network.weights[w.storage], w.storage, image, *bias)
    biases = [graph.weight(tensor) for tensor in bias]
    return graph.node("Gemm", image, kernel, *biases, shape=operation.result.shape, transB=1)


def read_matmul(call: Call) -> Feature:
    """Return Dense for a constant matrix on the right, or a 1×1 convolution for several axes; a constant that is added
    next becomes its bias.
    """
    x = call.feature(0)
    w = _matrix(call, 1, len(x.shape))
    if x.shape[-1] != len(w):
        raise call.invalid(f"matrices of {x.shape} and {w.shape}", "as many rows in B as columns in A")
    if x.batched and len(x.shape) == 1:
        x, _ = call.sample_axes(x, [0])
    bias = call.fuse_following_add((*[1] * (len(x.shape) - 1), w.shape[1]))
    if bias is None:
        return _dense(call, x, w.T)
    return _dense(call, x, w.T, np.broadcast_to(bias.reshape(-1), w.shape[1]), shared=False)


def _matrix(call: Call, index: int, rank: int) -> Array:
    """Return a constant with two axes, after removal of leading axes of size 1.

    rank   number of axes of the value that it is multiplied with
    """
    constant = call.constant(index)
    w = constant
    while w.ndim > 2 and len(w) == 1:
        w = w[0]
    if w.ndim != 2 or constant.ndim > max(rank, 2):  # more would add axes of size 1 to the result
        raise call.unsupported(f"a constant of shape {constant.shape}", "a matrix")
    return w


OPERATORS = (
    Operator("Gemm", read_gemm, {"dense": write_gemm}),
    Operator("MatMul", read_matmul, {"resample": write_resize}),
)
