"""Networks and weights that PyTorch wrote: its exporter's ONNX files, state dictionaries, torchvision."""

import io
import sys
import types
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numerical
import pytest
from selection import draws

import chainrule as cr
from chainrule.errors import FormatError

torch = pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")
nn = torch.nn

WIDE = draws(1) > 5  # all networks, not only the quick ones
QUICK = ["alexnet", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "resnet18", "squeezenet1_1", "vgg11"]
QUICK += ["convnext_tiny", "regnet_y_400mf", "efficientnet_b0", "shufflenet_v2_x0_5", "googlenet", "resnext50_32x4d"]
NO_CNN = ("vit", "swin", "maxvit")  # attention
TOO_LARGE = ("regnet_y_128gf",)  # 2.6 GB of weights: an ONNX file without others beside it holds 2 GB
SIZES = {"alexnet": 224, "vgg": 224, "inception_v3": 96}  # of images; 64 for others, which end in a global pooling


def exported(module: Any, x: Any) -> bytes:
    """Return a module as PyTorch's exporter writes it, with an open batch axis."""
    stream = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"x": {0: "n"}}
        torch.onnx.export(module, (x[:1],), stream, dynamo=False, input_names=["x"], dynamic_axes=axes)
    return stream.getvalue()


def settled(module: Any) -> Any:
    """Return a module for inference whose running statistics are not 0 and 1."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    return module.eval()


def loaded(folder: Path, content: bytes) -> Any:
    (folder / "net.onnx").write_bytes(content)
    return cr.load(folder / "net.onnx", engine="numpy")


def deviation(model: Any, module: Any, x: Any) -> float:
    """Return the largest difference of the outputs for a batch, as a share of the largest output."""
    with torch.no_grad():
        expected = module(x).numpy()
    return numerical.deviation(model.predict(x.numpy()).reshape(expected.shape), expected)


class Residual(nn.Module):
    """A block whose results meet, with a gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1), nn.Sigmoid())

    def forward(self, x: Any) -> Any:
        """Return x + gate · branch."""
        y = torch.relu(self.first(x))
        return x + y * self.gate(y)


class Function(nn.Module):
    """A function of images with 8 channels."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        """Return the function's result."""
        return self.function(x)


class OnRows(nn.Module):
    """A module that is applied to the channels at each position, with channels last in between."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        """Return the images, with channels as before."""
        return self.inner(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


FUNCTIONS = (
    lambda x: x.reshape(len(x), 2, 4, *x.shape[2:]).transpose(1, 2).reshape(x.shape),
    lambda x: x[:, [2, 0, 1, 7, 6, 5, 4, 3]],
    lambda x: torch.cat(x.flip(1).chunk(2, 1)[::-1], 1),
    lambda x: (x - x.mean((1, 2, 3)).view(-1, 1, 1, 1)) / (x.std((1, 2, 3))[:, None, None, None] + 0.1),
    lambda x: torch.sigmoid(x.mean((2, 3), keepdim=True) + x.amax(1, keepdim=True)) * x,
    lambda x: x.roll((1, 2), (2, 3))[:, :, ::2, 1:],
)
ENDS = (
    lambda x: x.flatten(2).transpose(1, 2),
    lambda x: x.square().mean((1, 2, 3)),
    lambda x: torch.nn.functional.cosine_similarity(x[:, :4].flatten(1), x[:, 4:].flatten(1)),
    lambda x: torch.sigmoid(x.amax((2, 3)).sum(1, keepdim=True)).squeeze(1),
)


def network(random: Random) -> Any:
    """Return a network of blocks and functions in random order."""
    layers = (
        *(Residual(8), OnRows(nn.LayerNorm(8)), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8, affine=True)),
        *(
            nn.Conv2d(8, 8, 3, groups=2),
            nn.ConvTranspose2d(8, 8, 3, 2, 1, 1),
            nn.BatchNorm2d(8),
            nn.ZeroPad2d((1, 2, 0, 1)),
        ),
        *(nn.MaxPool2d(2), nn.AvgPool2d(2, count_include_pad=False), nn.ELU(0.5), nn.Hardswish(), nn.GELU(), nn.Mish()),
        *map(Function, FUNCTIONS),
    )
    classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(8, 5), nn.Softmax(1))
    end = random.choice((classifier, *map(Function, ENDS)))
    return nn.Sequential(nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), *random.sample(layers, 4), end)


@pytest.mark.parametrize("seed", range(200 if WIDE else 8))
def test_networks_that_the_exporters_write(seed: int, tmp_path: Path) -> None:
    """Both exporters, open and fixed batches, channels first and last in memory."""
    random = Random(seed)
    torch.manual_seed(seed)
    module, x, is_open = settled(network(random)), torch.randn(5, 3, 21, 18), random.random() < 0.7
    memory = random.choice((torch.contiguous_format, torch.channels_last))
    if random.random() < 0.5:
        content = exported(module, x)
    else:
        pytest.importorskip("onnxscript", reason="onnxscript is not installed (pip install onnxscript)")
        content = exported_program(module.to(memory_format=memory), x.to(memory_format=memory), random, is_open)
    model = loaded(tmp_path, content)
    for count in (1, 2, 5):
        assert deviation(model, module, x[:count].contiguous()) < 1e-4


def exported_program(module: Any, x: Any, random: Random, is_open: bool) -> bytes:
    """Return a module as PyTorch's exporter of programs writes it."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = {"input": {0: "n"}} if is_open else None
        options = {"opset_version": random.randint(18, 23), "dynamic_shapes": shapes, "verbose": False}
        program = torch.onnx.export(module, (x[: 2 if is_open else 1],), dynamo=True, **options)
    return program.model_proto.SerializeToString()


def vision() -> Any:
    """Return torchvision's models; its compiled operators, which no classifier needs, may be missing."""
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
    pytest.importorskip("torchvision", reason="torchvision is not installed (make parity)")
    from torchvision import models

    return models


def names() -> list[str]:
    if not WIDE:
        return QUICK
    models = vision()
    return [name for name in models.list_models(module=models) if not name.startswith((*NO_CNN, *TOO_LARGE))]


@pytest.mark.parametrize("name", names())
def test_the_networks_of_torchvision(name: str, tmp_path: Path, record_property: Any) -> None:
    models = vision()
    torch.manual_seed(0)
    more = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    module = settled(models.get_model(name, weights=None, **more))
    size = next((size for beginning, size in SIZES.items() if name.startswith(beginning)), 64)
    x = torch.randn(1, 3, size, size)
    try:
        model = loaded(tmp_path, exported(module, x))
    except FormatError as refused:
        record_property("torchvision", (name, str(refused).partition(": ")[2]))
        raise
    actual = deviation(model, module, x)
    assert actual < 1e-4
    record_property("torchvision", (name, ""))
    record_property("parity", (f"torchvision {name}", actual, f"{size}×{size}"))
