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


class BatchNorm1d:
    def __init__(self, num_features, alpha=0.9):
        self.alpha = alpha
        self.eps = 1e-8
        self.BW = np.ones((1, num_features))
        self.Bb = np.zeros((1, num_features))
        self.running_M = np.zeros((1, num_features))
        self.running_V = np.ones((1, num_features))

    def forward(self, Z, eval=False):
        if eval:
            return self.BW * (Z - self.running_M) / np.sqrt(self.running_V + self.eps) + self.Bb
        self.Z, self.N = Z, len(Z)
        self.M = Z.mean(0, keepdims=True)
        self.V = Z.var(0, keepdims=True)
        self.NZ = (Z - self.M) / np.sqrt(self.V + self.eps)
        self.running_M = self.alpha * self.running_M + (1 - self.alpha) * self.M
        self.running_V = self.alpha * self.running_V + (1 - self.alpha) * self.V
        return self.BW * self.NZ + self.Bb

    def backward(self, dLdBZ):
        self.dLdBb = dLdBZ.sum(0, keepdims=True)
        self.dLdBW = (dLdBZ * self.NZ).sum(0, keepdims=True)
        return self.BW / np.sqrt(self.V + self.eps) * (dLdBZ - self.dLdBb / self.N - self.NZ * self.dLdBW / self.N)


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
