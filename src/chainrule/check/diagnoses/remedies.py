"""Remedies for functions that overflow for large inputs."""

REMEDIES = {
    "softmax": "subtract the largest entry of each row before taking eˣ, which does not change the result",
    "softmax_cross_entropy": "subtract the largest entry m of each row before taking eˣ, and take no logarithm of a "
    "probability, which may be 0: log p = x − m − log Σ eˣ⁻ᵐ",
    "sigmoid": "use 1/(1 + e⁻ˣ) where x ≥ 0 and eˣ/(1 + eˣ) where x < 0",
    "tanh": "use np.tanh, or write it with e⁻²|ˣ|",
    "gelu": "use np.tanh",
    "exact_gelu": "use math.erfc or scipy.special.ndtr",
}


def overflow(operation: str) -> str:
    """Return the advice about large inputs for the intended operation; "" if it is unknown."""
    remedy = REMEDIES.get(operation, "write it so that no exponent is above 0")
    return f"overflows for inputs around ±1,000 (eˣ is infinite above 709): {remedy}"
