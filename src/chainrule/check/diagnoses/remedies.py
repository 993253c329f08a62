"""What helps where a function overflows for large inputs."""

REMEDIES = {
    "softmax": "subtract the largest entry of each row before eˣ, which changes nothing else",
    "softmax_cross_entropy": "subtract the largest entry of each row before eˣ: log Σ eˣ = m + log Σ eˣ⁻ᵐ",
    "sigmoid": "take 1/(1 + e⁻ˣ) where x ≥ 0 and eˣ/(1 + eˣ) only where x < 0",
    "tanh": "use np.tanh, or write it with e⁻²|ˣ|",
    "gelu": "use np.tanh",
}


def overflow(operation: str) -> str:
    """Return the advice about large inputs; ``operation`` is the one that the code is meant to be, if it is known."""
    remedy = REMEDIES.get(operation, "write it so that no exponent is above 0")
    return f"overflows for inputs around ±1,000 (eˣ is infinite above 709): {remedy}"
