class LinearLayer:
    def __init__(self, n_in, n_out):
        self._W, self._b = np.ones((n_in, n_out)), np.zeros(n_out)

    def forward(self, x):
        self._cache_current = x
        return dense(x, self._W, self._b)

    def backward(self, grad_z):
        self._grad_W_current, self._grad_b_current = dense_dw(grad_z, self._cache_current), summed(grad_z)
        return dense_dx(grad_z, self._W)


class SigmoidLayer:
    def forward(self, x):
        self._cache_current = sigmoid(x)
        return self._cache_current

    def backward(self, grad_z):
        return sigmoid_dx(grad_z, self._cache_current)
