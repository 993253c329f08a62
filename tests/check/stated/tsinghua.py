def conv2d_forward(input, W, b, kernel_size, pad):
    return conv(input, W, b, pad, pad)


def conv2d_backward(input, grad_output, W, b, kernel_size, pad):
    dx = conv_dx(grad_output, W, input.shape, pad, pad)
    return dx, conv_dw(grad_output, input, W.shape, pad, pad), over_positions(grad_output)


def avgpool2d_forward(input, kernel_size, pad):
    return mean_pool(input, kernel_size)


def avgpool2d_backward(input, grad_output, kernel_size, pad):
    return mean_pool_dx(grad_output, input.shape, kernel_size)
