"""Functions that return the layers of the named networks, or the output node of a graph."""

from collections.abc import Callable

from chainrule.layers import (
    Add,
    AveragePool2D,
    BatchNorm2D,
    Concatenate,
    Conv2D,
    ConvTranspose2D,
    Crop2D,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
    Node,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
)


def independent_code(initializer: str) -> Callable[[int], list[Layer]]:
    """Return a function that returns the layers of The Independent Code's network for a number of classes.

    initializer   initializer of all weights
    """
    return lambda classes: [
        Conv2D(5, 3, bias="untied", initializer=initializer),
        Sigmoid(),
        Reshape((5 * 26 * 26,)),
        Dense(100, initializer=initializer),
        Sigmoid(),
        Dense(classes, initializer=initializer),
        Sigmoid(),
    ]


def vanilla_cnn(*ending: Layer, initializer: str = "glorot_uniform") -> Callable[[int], list[Layer]]:
    """Return a function that returns the layers of VanillaCNN for a number of classes, followed by `ending`."""
    return lambda classes: [
        Conv2D(6, 5, initializer=initializer),
        Sigmoid(),
        AveragePool2D(2),
        Conv2D(12, 5, initializer=initializer),
        Sigmoid(),
        AveragePool2D(2),
        Flatten(),
        Dense(classes),
        *ending,
    ]


def one_sheet(classes: int) -> list[Layer]:
    """Return a network of 77 parameters for 3 classes. It reads the 24×24 middle pixels, averaged to 8×8."""
    return [
        Crop2D(2),
        AveragePool2D(3),
        Conv2D(2, 3),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dense(classes),
        Softmax(),
    ]


def numpy_cnn(classes: int) -> list[Layer]:
    """Return the network of the Introduction to a NumPy CNN."""
    return [
        Conv2D(8, 5, initializer="lecun_uniform"),
        ReLU(),
        Conv2D(8, 5, initializer="lecun_uniform"),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dense(128, initializer="lecun_uniform"),
        ReLU(),
        Dense(classes, initializer="lecun_uniform"),
        Softmax(),
    ]


def two_blocks(bias: bool | str, *ending: Layer) -> Callable[[int], list[Layer]]:
    """Return a function that returns the layers of Zayan's and Venchislaw's networks for a number of classes.

    These are two convolutions with pooling, a dense layer, and then `ending`.
    """
    return lambda classes: [
        Conv2D(16, 3, bias=bias, initializer="lecun_uniform"),
        ReLU(),
        MaxPool2D(2),
        Conv2D(32, 3, bias=bias, initializer="lecun_uniform"),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dense(classes, initializer="lecun_uniform"),
        *ending,
    ]


def mlp(classes: int) -> list[Layer]:
    """Return a multilayer perceptron."""
    return [
        Flatten(),
        Dense(128, initializer="lecun_uniform"),
        ReLU(),
        Dense(classes, initializer="lecun_uniform"),
        Softmax(),
    ]


def fast_mnist(classes: int) -> list[Layer]:
    """Return the network of the fastest recipe for MNIST."""
    return [
        Conv2D(24, 5, initializer="lecun_uniform"),
        MaxPool2D(2),
        ReLU(),
        Conv2D(32, 3, initializer="lecun_uniform"),
        MaxPool2D(2),
        ReLU(),
        Flatten(),
        Dense(256, initializer="lecun_uniform"),
        ReLU(),
        Dense(classes, initializer="lecun_uniform"),
        Softmax(),
    ]


def vgg_small(classes: int) -> list[Layer]:
    """Return a small network in the style of VGG."""

    def block(*filters: int) -> list[Layer]:
        layers = list[Layer]()
        for count in filters:
            layers += [Conv2D(count, 3, padding="same", initializer="he_normal"), ReLU()]
        return layers

    return [
        *block(32, 32),
        MaxPool2D(2),
        *block(64, 64),
        MaxPool2D(2),
        *block(128),
        Flatten(),
        Dense(classes, initializer="he_normal"),
        Softmax(),
    ]


def unet_small(x: Node, classes: int) -> Node:
    """Return the output node of a small U-Net: a class for each pixel of an image of any size divisible by 4.

    The image is halved twice, and enlarged twice with transposed convolutions. The features before each halving are
    concatenated with the enlarged features of the same size.
    """

    def unit(x: Node, filters: int) -> Node:
        for _ in range(2):
            x = Conv2D(filters, 3, padding="same", bias=False, initializer="he_normal")(x)
            x = ReLU()(BatchNorm2D()(x))
        return x

    fine = unit(x, 8)
    middle = unit(MaxPool2D(2)(fine), 16)
    coarse = unit(MaxPool2D(2)(middle), 32)
    middle = unit(Concatenate()(ConvTranspose2D(16, 2, stride=2)(coarse), middle), 16)
    fine = unit(Concatenate()(ConvTranspose2D(8, 2, stride=2)(middle), fine), 8)
    return Softmax()(Conv2D(classes, 1)(fine))


def denoising_autoencoder(channels: int) -> list[Layer]:
    """Return an autoencoder for images of any size divisible by 4, with a bottleneck of 16 channels."""
    return [
        Conv2D(16, 3, stride=2, padding="same", initializer="he_normal"),
        ReLU(),
        Conv2D(16, 3, stride=2, padding="same", initializer="he_normal"),
        ReLU(),
        ConvTranspose2D(16, 4, stride=2, padding=1, initializer="he_normal"),
        ReLU(),
        ConvTranspose2D(channels, 4, stride=2, padding=1),
    ]


def residual(blocks: int) -> Callable[[Node, int], Node]:
    """Return a function that builds a residual network for small images from its input and a number of classes.

    The network has three stages and 6·blocks + 2 layers with weights.

    blocks   number of residual blocks per stage
    """

    def unit(x: Node, filters: int, stride: int = 1, kernel: int = 3) -> Node:
        convolution = Conv2D(filters, kernel, stride=stride, padding="same", bias=False, initializer="he_normal")
        return BatchNorm2D()(convolution(x))

    def block(x: Node, filters: int, stride: int) -> Node:
        y = unit(ReLU()(unit(x, filters, stride)), filters)
        if x.shape != y.shape:
            x = unit(x, filters, stride, kernel=1)
        return ReLU()(Add()(y, x))

    def build(x: Node, classes: int) -> Node:
        y = ReLU()(unit(x, 16))
        for filters in (16, 32, 64):
            for number in range(blocks):
                y = block(y, filters, stride=2 if filters > 16 and number == 0 else 1)
        return Softmax()(Dense(classes)(GlobalAveragePool2D()(y)))

    return build


def photo_cnn(classes: int) -> list[Layer]:
    """Return a network for images of any size."""
    layers: list[Layer] = []
    for filters in (32, 64, 128):
        convolution = Conv2D(filters, 3, padding="same", bias=False, initializer="he_normal")
        layers += [convolution, BatchNorm2D(), ReLU(), MaxPool2D(2)]
    return [*layers, GlobalAveragePool2D(), Dense(classes, initializer="lecun_uniform"), Softmax()]


def mobilenet(classes: int) -> list[Layer]:
    """Return a network for small images, with depthwise convolutions, each followed by a 1×1 convolution."""

    def unit(filters: int, kernel: int, stride: int = 1, groups: int = 1) -> list[Layer]:
        convolution = Conv2D(
            filters, kernel, stride=stride, padding="same", groups=groups, bias=False, initializer="he_normal"
        )
        return [convolution, BatchNorm2D(), ReLU()]

    layers = unit(32, 3)
    channels = 32
    for filters, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        layers += [*unit(channels, 3, stride, groups=channels), *unit(filters, 1)]
        channels = filters
    return [*layers, GlobalAveragePool2D(), Dense(classes), Softmax()]
