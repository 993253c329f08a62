"""Enlargement of images by whole factors."""

from chainrule.interop.onnx.call import Call, Feature
from chainrule.interop.onnx.readers.windows import brief, image, lowered


def resize(call: Call) -> Feature:
    """Return UpSample2D."""
    x = call.samples()
    factors = _factors(call, x)
    if all(factor == 1 for factor in factors):
        return x
    if factors[:2] != [1, 1] or len(factors) not in (3, 4):
        raise call.refusal(f"factors {factors}", "factors for the positions of (N, C, H, W) or (N, C, W)")
    factor = brief((*[1] * (4 - len(factors)), *factors[2:]))
    y = call.layer("UpSample2D", image(call, x), factor=factor, mode=_interpolation(call))
    return lowered(call, y, x)


def _factors(call: Call, x: Feature) -> list[int]:
    """Return a whole factor for each axis, from scales or sizes."""
    shape, axes = x.shape, call.integers("axes", range(len(x.shape)))
    if call.opset < 10:
        given = call.constant(1).reshape(-1).tolist() if call.has(1) else list(call.reals("scales"))
    elif call.has(3):
        sizes = call.whole_numbers(3)
        if (policy := call.text("keep_aspect_ratio_policy", "stretch")) != "stretch":
            raise call.refusal(f"keep_aspect_ratio_policy {policy!r}", "'stretch'")
        if len(sizes) != len(axes):
            raise call.refusal(f"sizes {sizes}", f"{len(axes)} sizes")
        given = [size / shape[call.axis_in(axis, len(shape))] for size, axis in zip(sizes, axes, strict=True)]
    else:
        given = call.constant(2 if call.opset >= 11 else 1).reshape(-1).tolist()
    if len(given) != len(axes) or any(factor < 1 or factor != int(factor) for factor in given):
        raise call.refusal(f"factors {given[:8]}", f"{len(axes)} whole numbers of at least 1")
    factors = [1] * len(shape)
    for axis, factor in zip(axes, given, strict=True):
        factors[call.axis_in(axis, len(shape))] = int(factor)
    return factors


def _interpolation(call: Call) -> str:
    """Return "nearest" or "bilinear"; FormatError where pixels stand elsewhere than here."""
    mode = call.text("mode", "nearest")
    placed = call.text("coordinate_transformation_mode", "half_pixel" if call.opset >= 11 else "asymmetric")
    rounded = call.text("nearest_mode", "round_prefer_floor" if call.opset >= 11 else "floor")
    if mode == "nearest" and (placed, rounded) in NEAREST:
        return "nearest"
    if mode in ("linear", "bilinear") and placed in ("half_pixel", "pytorch_half_pixel"):
        return "bilinear"
    raise call.refusal(f"mode {mode!r}, {placed}, {rounded}", "nearest by whole factors, or linear with half_pixel")


NEAREST = (  # all of these repeat each pixel
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("pytorch_half_pixel", "round_prefer_floor"),
    ("pytorch_half_pixel", "round_prefer_ceil"),
)
OPERATORS = {"Resize": resize, "Upsample": resize}
