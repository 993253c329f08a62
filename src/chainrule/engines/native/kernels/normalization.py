"""Batch normalization, compiled. The equations are in reference/normalization.py.

The statistics need the whole batch. Threads synchronize and divide the channels instead of the samples, so that the
order of every sum does not depend on the number of threads. A thread's chunk consists of the channels `first` to
`last` − 1.

Each kernel reads a group of channels once for its sums and a second time, mostly from the cache, for its result. A
group is one channel, or several short channels (`SHORT_CHANNEL`), which are contiguous in a sample and fill vectors.

The activation after the normalization clamps the result to bounds, which are −∞ and ∞ without a ReLU.
"""

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.registry import CHEAP_FROM, always, like, operation

SHORT_CHANNEL = 64  # elements; shorter channels are processed in groups, as in normalization.c
ACTIVATIONS = {"rectify": always}


@operation(like(0, 1, 1), epilogues=ACTIVATIONS)
@in_c
def batch_norm(x, gamma, beta, y, mean, variance, epsilon=1e-5, rectify=False, first=0, last=-1):
    """Compute mean, variance and y, one group of channels at a time.

    rectify  whether a ReLU follows
    """


@operation(
    like(0),
    epilogues={**ACTIVATIONS, "capped": always},
    shared_from=CHEAP_FROM,
)
@in_c
def batch_norm_inference(
    x,
    gamma,
    beta,
    running_mean,
    running_variance,
    y,
    epsilon=1e-5,
    rectify=False,
    capped=0.0,
    first=0,
    last=-1,
):
    """Compute y = γ (x − μ)/√(σ² + ε) + β with the running statistics.

    `batch_norm` describes the parameters for the activation and for a chunk of channels.

    capped  maximum of the ReLU that follows; 0 for none
    """


@operation(like(0))
@in_c
def batch_norm_inference_dx(dy, gamma, running_variance, dx, epsilon=1e-5):
    """Compute dx = γ/√(σ² + ε) · dy with the running variance."""


@operation(like(2, 2), accumulates=True)
@in_c
def batch_norm_dw(dy, x, mean, variance, dgamma, dbeta, epsilon=1e-5, first=0, last=-1):
    """Add Σ dy x̂ to dγ and Σ dy to dβ, where x̂ = (x − μ)/√(σ² + ε)."""


@operation(like(2, 2, 0), joins=("batch_norm_dw", "batch_norm_dx"), accumulates=True)
@in_c
def batch_norm_backward(dy, x, gamma, mean, variance, dgamma, dbeta, dx, epsilon=1e-5, first=0, last=-1):
    """Compute dx and add to dγ and dβ, with shared sums.

        dβ = Σ dy    dγ = Σ dy x̂    dx = γ/σ · (dy − dβ/n − x̂ dγ/n)        n elements in a channel, x̂ = (x − μ)/σ

    A few channels at a time are summed and then read a second time, while they are still in a cache.
    """


@operation(like(0))
@in_c
def batch_norm_dx(dy, x, gamma, mean, variance, dx, epsilon=1e-5, first=0, last=-1):
    """Compute dx = γ/√(σ² + ε) (dy − mean dy − x̂ mean(dy x̂))."""


@operation(like(2, 2))
@in_c
def running_statistics(mean, variance, running_mean, running_variance, new_mean, new_variance, momentum=0.1, count=1):
    """Compute running ← (1 − m)·running + m·batch, with m = `momentum` and the unbiased variance of the batch.

    count  number of elements over which the mean of a channel is computed
    """
