"""Pillow, a package of the extra ``images``. No other module imports it when it runs."""

from chainrule._io.extras import missing

try:
    from PIL import Image, UnidentifiedImageError
except ImportError:
    raise missing("Pillow", "images", "reading or writing images") from None

__all__ = ["Image", "UnidentifiedImageError"]
