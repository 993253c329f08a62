class Linear:
    def __init__(self, in_features, out_features):
        self.W, self.b = np.zeros((out_features, in_features)), np.zeros((out_features, 1))

    def forward(self, A):
        self.A = A
        return dense(A, self.W.T, self.b.T)

    def backward(self, dLdZ):
        self.dLdW, self.dLdb = dense_dw(dLdZ, self.A).T, summed(dLdZ)[:, None]
        return dense_dx(dLdZ, self.W.T)


class Conv2d_stride1:
    def __init__(self, in_channels, out_channels, kernel_size):
        self.W, self.b = np.ones((out_channels, in_channels, kernel_size, kernel_size)), np.zeros(out_channels)

    def forward(self, A):
        self.A = A
        return conv(A, self.W, self.b, 0, 0)

    def backward(self, dLdZ):
        self.dLdW, self.dLdb = conv_dw(dLdZ, self.A, self.W.shape, 0, 0), over_positions(dLdZ)
        return conv_dx(dLdZ, self.W, self.A.shape, 0, 0)


class Sigmoid:
    def forward(self, Z):
        self.A = sigmoid(Z)
        return self.A

    def backward(self, dLdA):
        return sigmoid_dx(dLdA, self.A)


class CrossEntropyLoss:
    def forward(self, A, Y):
        self.A, self.Y = A, Y
        return mean_cross_entropy(A, Y)

    def backward(self):
        return cross_entropy_dp(self.A, self.Y)
