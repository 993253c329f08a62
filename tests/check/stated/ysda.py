class Linear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.ones((n_out, n_in)), np.zeros(n_out)
        self.gradW, self.gradb = np.zeros_like(self.W), np.zeros_like(self.b)

    def zeroGradParameters(self):
        self.gradW.fill(0)
        self.gradb.fill(0)

    def forward(self, input):
        return dense(input, self.W.T, self.b)

    def backward(self, input, gradOutput):
        self.gradW += dense_dw(gradOutput, input).T
        self.gradb += summed(gradOutput)
        return dense_dx(gradOutput, self.W.T)


class SoftMax:
    def forward(self, input):
        self.output = softmax(input)
        return self.output

    def backward(self, input, gradOutput):
        return softmax_dx(gradOutput, self.output)
