"""Introduction to a NumPy CNN, sections 3 and 4: its listings against the reference."""

import numpy as np
from tutorials import listings
from tutorials.comparing import same

from chainrule import data, zoo
from chainrule.network.losses import find
from chainrule.network.network import Network


def test_the_whole_network_and_its_gradients():
    """`conv` is numpy-cnn: the same loss and the same eight gradients as our plan, on one image."""
    model = Network(zoo.find("numpy-cnn").layers(10), (1, 28, 28), dtype="float64", engine="numpy")
    image, label = np.random.default_rng(6).uniform(size=(1, 28, 28)), np.eye(10)[7]
    places = ["conv1.w", "conv2.w", "dense1.w", "dense2.w", "conv1.b", "conv2.b", "dense1.b", "dense2.b"]
    params = [model.weights[name].reshape(-1, 1) if name.endswith("b") else model.weights[name] for name in places]
    gradients, loss = listings.conv(image, label[:, None], params, 1, 2, 2)
    losses, _, gradient = model.compile(model.plan(find("categorical_cross_entropy"))).gradients(
        image[None], label[None], seed=0, step=1
    )
    same(losses[0], loss)
    for name, ours in zip(places, gradients, strict=True):
        first, last = model.layout[name]
        same(ours.ravel(), gradient[first:last])


def test_the_architecture():
    """Figure 7, as section 3 tells it and its train() and conv() have it: every layer, its options and its shapes.

    Two convolutions without padding, a pool of stride 2, a dense layer of 128 neurons and one of ten, ReLU after the
    first three of the four that learn, softmax at the end; f1, f2, w3, w4 and their biases as train() makes them.
    """
    model = zoo.find("numpy-cnn").build(engine="numpy")
    kinds = ["Conv2D", "ReLU", "Conv2D", "ReLU", "MaxPool2D", "Flatten", "Dense", "ReLU", "Dense", "Softmax"]
    assert [type(layer).__name__ for layer in model.layers] == kinds
    printed = {"conv1": (8, 1, 5, 5), "conv2": (8, 8, 5, 5), "dense1": (128, 800), "dense2": (10, 128)}
    for name, shape in printed.items():
        assert model.weights[f"{name}.w"].shape == shape
        assert model.weights[f"{name}.b"].shape == shape[:1]
    image = np.random.default_rng(8).uniform(size=(1, 28, 28))
    conv1 = listings.convolution(image, np.ones((8, 1, 5, 5)), np.zeros((8, 1)))
    conv2 = listings.convolution(conv1, np.ones((8, 8, 5, 5)), np.zeros((8, 1)))
    pooled = listings.maxpool(conv2, 2, 2)
    shapes = [conv1.shape] * 2 + [conv2.shape] * 2 + [pooled.shape, (pooled.size,)] + [(128,)] * 2 + [(10,)] * 2
    assert list(model.shapes) == shapes


def test_batches_take_every_image_of_an_epoch_once():
    drawn = np.concatenate([data.order(100, 0, 0)[k : k + 32] for k in range(0, 100, 32)])
    assert sorted(drawn) == list(range(100))
