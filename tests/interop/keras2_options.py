"""The options that Keras 2.0 to 2.15 write for each layer, with their defaults, and arguments that have none.

Names and defaults are those of `get_config` and `__init__` in the released sources of Keras 2.0.9 to 2.15. An option is
listed if any of these versions writes it.
"""

from dataclasses import dataclass, field
from typing import Any

IMAGE, ROW = (6, 5, 4), (7, 4)
EVERY_LAYER: dict[str, Any] = {"trainable": True, "dtype": "float32", "dynamic": False}
POLICY = {"class_name": "Policy", "config": {"name": "float32"}, "module": "keras.mixed_precision"}
ZEROS = {"class_name": "Zeros", "config": {}}
GLOROT = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}


@dataclass(frozen=True)
class Case:
    """A layer of Keras 2.

    shape      of a sample, channels last
    required   arguments without a default
    defaults   options that Keras 2 writes, with their defaults
    """

    shape: tuple[int, ...]
    required: dict[str, Any] = field(default_factory=dict[str, Any])
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])


def _weight(name: str, initializer: Any) -> dict[str, Any]:
    return {f"{name}_initializer": initializer, f"{name}_regularizer": None, f"{name}_constraint": None}


def _convolution(axes: int, *kernels: str, **more: Any) -> dict[str, Any]:
    ones = [1] * axes
    options = {"strides": ones, "padding": "valid", "data_format": "channels_last", "dilation_rate": ones, "groups": 1}
    options |= {"activation": "linear", "use_bias": True, "activity_regularizer": None, **_weight("bias", ZEROS)}
    for name in ("kernel", *kernels):
        options |= _weight(name, GLOROT)
    return options | more


def _pooling(axes: int) -> dict[str, Any]:
    twos = [2] * axes
    return {"pool_size": twos, "padding": "valid", "strides": twos, "data_format": "channels_last"}


NORMALIZATION: dict[str, Any] = {"epsilon": 0.001, "center": True, "scale": True}
NORMALIZATION |= {**_weight("beta", ZEROS), **_weight("gamma", {"class_name": "Ones", "config": {}})}
BATCH = {"momentum": 0.99, "moving_mean_initializer": ZEROS, "moving_variance_initializer": ZEROS}
BATCH |= {"fused": None, "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99, "virtual_batch_size": None}
WHOLE = {"data_format": "channels_last", "keepdims": False}
RANDOM = {"interpolation": "bilinear", "seed": None}
FILLED = {"fill_mode": "reflect", "fill_value": 0.0, **RANDOM}
DROPOUT = {"noise_shape": None, "seed": None}

CASES: dict[str, Case] = {
    "Dense": Case(
        (6,),
        {"units": 3},
        {"activation": "linear", "use_bias": True, "activity_regularizer": None}
        | {**_weight("kernel", GLOROT), **_weight("bias", ZEROS)},
    ),
    "Conv1D": Case(ROW, {"filters": 2, "kernel_size": [3]}, _convolution(1)),
    "Conv2D": Case(IMAGE, {"filters": 2, "kernel_size": [3, 2]}, _convolution(2)),
    "DepthwiseConv1D": Case(ROW, {"kernel_size": [3]}, _convolution(1, "depthwise", depth_multiplier=1)),
    "DepthwiseConv2D": Case(IMAGE, {"kernel_size": [3, 3]}, _convolution(2, "depthwise", depth_multiplier=1)),
    "SeparableConv1D": Case(
        ROW, {"filters": 2, "kernel_size": [3]}, _convolution(1, "depthwise", "pointwise", depth_multiplier=1)
    ),
    "SeparableConv2D": Case(
        IMAGE, {"filters": 2, "kernel_size": [3, 2]}, _convolution(2, "depthwise", "pointwise", depth_multiplier=1)
    ),
    "Conv1DTranspose": Case(ROW, {"filters": 2, "kernel_size": [3]}, _convolution(1, output_padding=None)),
    "Conv2DTranspose": Case(IMAGE, {"filters": 2, "kernel_size": [3, 2]}, _convolution(2, output_padding=None)),
    "Activation": Case(IMAGE, {"activation": "relu"}),
    "ReLU": Case(IMAGE, {}, {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
    "LeakyReLU": Case(IMAGE, {}, {"alpha": 0.3}),
    "ELU": Case(IMAGE, {}, {"alpha": 1.0}),
    "Softmax": Case(IMAGE, {}, {"axis": -1}),
    "PReLU": Case(IMAGE, {}, {**_weight("alpha", ZEROS), "shared_axes": None}),
    **{
        f"{kind}Pooling{axes}D": Case((ROW, IMAGE)[axes - 1], {}, _pooling(axes))
        for kind in ("Max", "Average")
        for axes in (1, 2)
    },
    **{
        f"Global{kind}Pooling{axes}D": Case((ROW, IMAGE)[axes - 1], {}, WHOLE)
        for kind in ("Max", "Average")
        for axes in (1, 2)
    },
    "BatchNormalization": Case(IMAGE, {}, {"axis": [-1], **NORMALIZATION, **BATCH}),
    "LayerNormalization": Case(IMAGE, {}, {"axis": [-1], **NORMALIZATION}),
    "GroupNormalization": Case((3, 2, 32), {}, {"groups": 32, "axis": -1, **NORMALIZATION}),
    **{kind: Case(IMAGE) for kind in ("Add", "Multiply", "Maximum", "Minimum", "Subtract", "Average")},
    "Concatenate": Case(IMAGE, {}, {"axis": -1}),
    "Dropout": Case(IMAGE, {"rate": 0.5}, DROPOUT),
    "SpatialDropout1D": Case(ROW, {"rate": 0.5}, DROPOUT),
    "SpatialDropout2D": Case(IMAGE, {"rate": 0.5}, DROPOUT),
    "AlphaDropout": Case(IMAGE, {"rate": 0.5}, DROPOUT),
    "GaussianDropout": Case(IMAGE, {"rate": 0.5}, {"seed": None}),
    "GaussianNoise": Case(IMAGE, {"stddev": 0.5}, {"seed": None}),
    "ActivityRegularization": Case(IMAGE, {}, {"l1": 0.0, "l2": 0.0}),
    "Identity": Case(IMAGE),
    "RandomBrightness": Case(IMAGE, {"factor": 0.1}, {"value_range": [0, 255], "seed": None}),
    "RandomContrast": Case(IMAGE, {"factor": 0.1}, {"seed": None}),
    "RandomFlip": Case(IMAGE, {}, {"mode": "horizontal_and_vertical", "seed": None}),
    "RandomRotation": Case(IMAGE, {"factor": 0.1}, FILLED),
    "RandomTranslation": Case(IMAGE, {"height_factor": 0.1, "width_factor": 0.1}, FILLED),
    "RandomZoom": Case(IMAGE, {"height_factor": 0.1}, {"width_factor": None, **FILLED}),
    "RandomHeight": Case(IMAGE, {"factor": 0.1}, RANDOM),
    "RandomWidth": Case(IMAGE, {"factor": 0.1}, RANDOM),
    "StochasticDepth": Case(IMAGE, {"drop_path_rate": 0.1}),
    "LayerScale": Case(IMAGE, {"init_values": 0.5, "projection_dim": 4}),
    "Flatten": Case(IMAGE, {}, {"data_format": "channels_last"}),
    "Reshape": Case(IMAGE, {"target_shape": [5, 24]}),
    "Permute": Case(IMAGE, {"dims": [2, 3, 1]}),
    "ZeroPadding1D": Case(ROW, {}, {"padding": [1, 1]}),
    "ZeroPadding2D": Case(IMAGE, {}, {"padding": [[1, 1], [1, 1]], "data_format": "channels_last"}),
    "Cropping1D": Case(ROW, {}, {"cropping": [1, 1]}),
    "Cropping2D": Case(IMAGE, {}, {"cropping": [[0, 0], [0, 0]], "data_format": "channels_last"}),
    "UpSampling1D": Case(ROW, {}, {"size": 2}),
    "UpSampling2D": Case(IMAGE, {}, {"size": [2, 2], "data_format": "channels_last", "interpolation": "nearest"}),
    "Normalization": Case(IMAGE, {}, {"axis": [-1], "mean": None, "variance": None, "invert": False}),
    "Rescaling": Case(IMAGE, {"scale": 0.5}, {"offset": 0.0}),
    "Resizing": Case(IMAGE, {"height": 4, "width": 7}, {"interpolation": "bilinear", "crop_to_aspect_ratio": False}),
    "CenterCrop": Case(IMAGE, {"height": 4, "width": 3}),
}
