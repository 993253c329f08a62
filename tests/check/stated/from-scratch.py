class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return dense(x, self.W, self.b)

    def backward(self, dout):
        self.dW, self.db = dense_dw(dout, self.x), summed(dout)
        return dense_dx(dout, self.W)


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.pad, self.stride = W, b, pad, stride

    def forward(self, x):
        self.x = x
        return conv(x, self.W, self.b, self.pad, self.pad, self.stride)

    def backward(self, dout):
        self.dW = conv_dw(dout, self.x, self.W.shape, self.pad, self.pad, self.stride)
        self.db = over_positions(dout)
        return conv_dx(dout, self.W, self.x.shape, self.pad, self.pad, self.stride)


class Momentum:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, None

    def update(self, params, grads):
        if self.v is None:
            self.v = {key: np.zeros_like(value) for key, value in params.items()}
        for key in params:
            self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]
            params[key] = params[key] + self.v[key]
