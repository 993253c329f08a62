class Param:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class FullyConnectedLayer:
    def __init__(self, n_input, n_output):
        self.W, self.B = Param(np.ones((n_input, n_output))), Param(np.zeros((1, n_output)))

    def forward(self, X):
        self.X = X
        return dense(X, self.W.value, self.B.value)

    def backward(self, d_out):
        self.W.grad += dense_dw(d_out, self.X)
        self.B.grad += summed(d_out)[None]
        return dense_dx(d_out, self.W.value)


class ConvolutionalLayer:
    def __init__(self, in_channels, out_channels, filter_size, padding):
        self.W = Param(np.ones((filter_size, filter_size, in_channels, out_channels)))
        self.B, self.p = Param(np.zeros(out_channels)), padding

    def forward(self, X):
        self.x = X.transpose(0, 3, 1, 2)
        return conv(self.x, self.W.value.transpose(3, 2, 0, 1), self.B.value, self.p, self.p).transpose(0, 2, 3, 1)

    def backward(self, d_out):
        dy, w = d_out.transpose(0, 3, 1, 2), self.W.value.transpose(3, 2, 0, 1)
        self.W.grad += conv_dw(dy, self.x, w.shape, self.p, self.p).transpose(2, 3, 1, 0)
        self.B.grad += over_positions(dy)
        return conv_dx(dy, w, self.x.shape, self.p, self.p).transpose(0, 2, 3, 1)


class MomentumSGD:
    def __init__(self, momentum=0.9):
        self.momentum, self.velocity = momentum, 0

    def update(self, w, d_w, learning_rate):
        self.velocity = self.momentum * self.velocity - learning_rate * d_w
        return w + self.velocity
