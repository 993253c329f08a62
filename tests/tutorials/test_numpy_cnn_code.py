"""Introduction to a NumPy CNN, sections 3 and 4: its listings against the reference."""

import numpy as np
import pytest
from numerical import normals
from tutorials import listings
from tutorials.comparing import same

from chainrule import data, zoo
from chainrule.models.network import Network
from chainrule.operations import reference
from chainrule.training.losses import find


@pytest.mark.parametrize("s", [1, 2])
def test_convolution(s):
    image, filt, bias = normals(1, (2, 7, 7), (3, 2, 3, 3), (3, 1))
    found = listings.convolution(image, filt, bias, s)
    same(found, reference.cross_correlate(image[None], filt, bias[:, 0], stride=(s, s))[0])


@pytest.mark.parametrize(("f", "s"), [(2, 2), (3, 2), (2, 1)])
def test_maxpool(f, s):
    image = normals(2, (3, 7, 6))[0]
    same(listings.maxpool(image, f, s), reference.max_pool(image[None], window=(f, f), stride=(s, s))[0][0])


@pytest.mark.parametrize("s", [1, 2])
def test_convolution_backward(s):
    image, filt = normals(3, (2, 7, 7), (3, 2, 3, 3))
    dy = normals(4, reference.cross_correlate(image[None], filt, stride=(s, s)).shape)[0]
    dimage, dfilt, dbias = listings.convolution_backward(dy[0], image, filt, s)
    options = {"stride": (s, s)}
    same(dimage, reference.cross_correlate_dx(dy, filt, size=(7, 7), **options)[0])
    same(dfilt, reference.cross_correlate_dw(image[None], dy, kernel=(3, 3), **options))
    same(dbias[:, 0], reference.bias_gradient(dy))


def test_maxpool_backward_where_windows_do_not_overlap():
    image, dpool = normals(5, (2, 6, 6), (2, 3, 3))
    _, winner = reference.max_pool(image[None], window=(2, 2))
    expected = reference.max_pool_dx(dpool[None], winner, size=(6, 6))[0]
    same(listings.maxpool_backward(dpool, image, 2, 2), expected)


def test_the_whole_network_and_its_gradients():
    """`conv` is numpy-cnn: the same loss and the same eight gradients as our plan, on one image."""
    model = Network(zoo.find("numpy-cnn").layers(10), (1, 28, 28), dtype="float64", engine="numpy")
    image, label = np.random.default_rng(6).uniform(size=(1, 28, 28)), np.eye(10)[7]
    places = ["conv1.w", "conv2.w", "dense1.w", "dense2.w", "conv1.b", "conv2.b", "dense1.b", "dense2.b"]
    params = [model.weights[name].reshape(-1, 1) if name.endswith("b") else model.weights[name] for name in places]
    found, loss = listings.conv(image, label[:, None], params, 1, 2, 2)
    losses, _, gradient = model.compile(model.plan(find("categorical_cross_entropy"))).gradients(
        image[None], label[None], seed=0, step=1
    )
    same(losses[0], loss)
    for name, ours in zip(places, found, strict=True):
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
    given = [
        conv1.shape,
        conv1.shape,
        conv2.shape,
        conv2.shape,
        pooled.shape,
        (pooled.size,),
        (128,),
        (128,),
        (10,),
        (10,),
    ]
    assert list(model.shapes) == given


def test_a_batch_is_the_mean_of_its_images():
    """adamGD adds up the gradients and losses of the images and divides the loss by their number."""
    model = Network(zoo.find("mlp").layers(10), (1, 6, 6), dtype="float64", engine="numpy")
    x, t = normals(7, (4, 1, 6, 6))[0], np.eye(10)[[1, 2, 3, 1]]
    one_pass = model.compile(model.plan("categorical_cross_entropy"))
    losses, _, gradient = (each.copy() for each in one_pass.gradients(x, t, seed=0, step=1))
    alone = [[each.copy() for each in one_pass.gradients(x[[n]], t[[n]], seed=0, step=1)] for n in range(4)]
    same(losses.mean(), sum(loss[0] for loss, _, _ in alone) / 4)
    same(gradient, sum(each for _, _, each in alone) / 4)


def test_batches_take_every_image_of_an_epoch_once():
    taken = np.concatenate([data.order(100, 0, 0)[k : k + 32] for k in range(0, 100, 32)])
    assert sorted(taken) == list(range(100))
