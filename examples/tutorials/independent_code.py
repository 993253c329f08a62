"""The Independent Code: dx as its notes print it, with ⋆ where they mean ∗ (ic-e6), and a softmax that overflows."""

import numpy as np
from scipy.signal import correlate2d


class Convolutional:
    def __init__(self, input_shape, kernel_size, depth):
        channels, height, width = input_shape
        self.kernels = np.ones((depth, channels, kernel_size, kernel_size))
        self.biases = np.zeros((depth, height - kernel_size + 1, width - kernel_size + 1))

    def forward(self, input):
        self.input = input
        maps = [
            sum(correlate2d(x, k, "valid") for x, k in zip(input, kernels, strict=True)) for kernels in self.kernels
        ]
        return np.array(maps) + self.biases

    def backward(self, output_gradient, learning_rate):
        kernels_gradient, input_gradient = np.zeros(self.kernels.shape), np.zeros(self.input.shape)
        for i, dy in enumerate(output_gradient):
            for j, x in enumerate(self.input):
                kernels_gradient[i, j] = correlate2d(x, dy, "valid")
                input_gradient[j] += correlate2d(dy, self.kernels[i, j], "full")
        self.kernels -= learning_rate * kernels_gradient
        self.biases -= learning_rate * output_gradient
        return input_gradient


class Softmax:
    def forward(self, input):
        self.output = np.exp(input) / np.sum(np.exp(input))
        return self.output

    def backward(self, output_gradient, learning_rate):
        jacobian = np.diag(self.output[:, 0]) - self.output @ self.output.T
        return jacobian @ output_gradient
