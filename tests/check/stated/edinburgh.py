class AffineLayer:
    def __init__(self, input_dim, output_dim):
        self.weights, self.biases = np.ones((output_dim, input_dim)), np.zeros(output_dim)

    def fprop(self, inputs):
        return dense(inputs, self.weights.T, self.biases)

    def bprop(self, inputs, outputs, grads_wrt_outputs):
        return dense_dx(grads_wrt_outputs, self.weights.T)

    def grads_wrt_params(self, inputs, grads_wrt_outputs):
        return [dense_dw(grads_wrt_outputs, inputs).T, summed(grads_wrt_outputs)]

    @property
    def params(self):
        return [self.weights, self.biases]

    @params.setter
    def params(self, values):
        self.weights, self.biases = values


class ConvolutionalLayer:
    def __init__(self, num_input_channels, num_output_channels, input_dim_1, input_dim_2, kernel_dim_1, kernel_dim_2):
        self.kernels = np.ones((num_output_channels, num_input_channels, kernel_dim_1, kernel_dim_2))
        self.biases = np.zeros(num_output_channels)

    def fprop(self, inputs):
        return conv(inputs, self.kernels, self.biases, 0, 0)

    def bprop(self, inputs, outputs, grads_wrt_outputs):
        return conv_dx(grads_wrt_outputs, self.kernels, inputs.shape, 0, 0)

    def grads_wrt_params(self, inputs, grads_wrt_outputs):
        dw = conv_dw(grads_wrt_outputs, inputs, self.kernels.shape, 0, 0)
        return [dw, over_positions(grads_wrt_outputs)]

    @property
    def params(self):
        return [self.kernels, self.biases]

    @params.setter
    def params(self, values):
        self.kernels, self.biases = values


class ReluLayer:
    def fprop(self, inputs):
        return rectified(inputs)

    def bprop(self, inputs, outputs, grads_wrt_outputs):
        return relu_dx(grads_wrt_outputs, inputs)
