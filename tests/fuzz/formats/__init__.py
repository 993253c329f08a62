"""The formats, one per file."""

from fuzz.campaign import Format
from fuzz.formats import idx, images, keras_files, models, npz, onnx_files, options, runs, shared, targets

SINGLE = (idx, npz, models, images, options, onnx_files, keras_files, targets)
FORMATS: dict[str, Format] = {
    kind.name: kind for kind in (*(module.FORMAT for module in SINGLE), *runs.FORMATS, *shared.FORMATS)
}
