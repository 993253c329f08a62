"""The formats, one per file."""

from fuzz.campaign import Format
from fuzz.formats import idx, images, keras_files, models, npz, onnx_files, options, runs, shared, targets, torch_files

FORMATS: dict[str, Format] = {
    kind.name: kind
    for kind in (
        *(
            idx.FORMAT,
            npz.FORMAT,
            models.FORMAT,
            runs.CHECKPOINT_FILE,
            runs.CONFIG_JSON,
            runs.HISTORY_CSV,
            runs.VALIDATION_CSV,
        ),
        *(images.FORMAT, options.FORMAT, onnx_files.FORMAT, torch_files.FORMAT),
        *(keras_files.FORMAT, targets.FORMAT, *shared.FORMATS),
    )
}
