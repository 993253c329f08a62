class FullyConnected:
    def __init__(self, input_size, output_size):
        self.weights = np.random.rand(input_size + 1, output_size)
        self._gradient = None

    @property
    def gradient_weights(self):
        return self._gradient

    def forward(self, x):
        self.x = x
        return dense(x, self.weights[:-1], self.weights[-1])

    def backward(self, dy):
        self._gradient = np.vstack([dense_dw(dy, self.x), summed(dy)])
        return dense_dx(dy, self.weights[:-1])


class Conv:
    def __init__(self, stride_shape, convolution_shape, num_kernels):
        self.weights = np.random.rand(num_kernels, *convolution_shape)
        self.bias = np.random.rand(num_kernels)
        self.p, self.q = (size // 2 for size in convolution_shape[1:])

    def forward(self, x):
        self.x = x
        return conv(x, self.weights, self.bias, self.p, self.q)

    def backward(self, dy):
        self.gradient_weights = conv_dw(dy, self.x, self.weights.shape, self.p, self.q)
        self.gradient_bias = over_positions(dy)
        return conv_dx(dy, self.weights, self.x.shape, self.p, self.q)


class Pooling:
    def __init__(self, stride_shape, pooling_shape):
        self.options = pooling_shape, stride_shape[0]

    def forward(self, x):
        self.x = x
        return max_pool(x, *self.options)

    def backward(self, dy):
        return max_pool_dx(dy, self.x, *self.options)


class SgdWithMomentum:
    def __init__(self, learning_rate, momentum_rate):
        self.learning_rate, self.momentum_rate, self.v = learning_rate, momentum_rate, 0

    def calculate_update(self, weight_tensor, gradient_tensor):
        self.v = self.momentum_rate * self.v - self.learning_rate * gradient_tensor
        return weight_tensor + self.v
