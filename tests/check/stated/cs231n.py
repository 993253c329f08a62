def affine_forward(x, w, b):
    return dense(x, w, b), (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return dense_dx(dout, w), dense_dw(dout, x), summed(dout)


def relu_forward(x):
    return relu(x), x


def relu_backward(dout, cache):
    return relu_dx(dout, cache)


def conv_forward_naive(x, w, b, conv_param):
    p, s = conv_param["pad"], conv_param["stride"]
    return conv(x, w, b, p, p, s), (x, w, p, s)


def conv_backward_naive(dout, cache):
    x, w, p, s = cache
    return conv_dx(dout, w, x.shape, p, p, s), conv_dw(dout, x, w.shape, p, p, s), over_positions(dout)


def max_pool_forward_naive(x, pool_param):
    options = (pool_param["pool_height"], pool_param["pool_width"]), pool_param["stride"]
    return max_pool(x, *options), (x, *options)


def max_pool_backward_naive(dout, cache):
    return max_pool_dx(dout, *cache)


def softmax_loss(x, y):
    t = np.eye(x.shape[1])[y]
    return mean_cross_entropy(x, t), cross_entropy_dp(x, t)


def sgd_momentum(w, dw, config):
    v = config["momentum"] * config.get("velocity", np.zeros_like(w)) - config["learning_rate"] * dw
    config["velocity"] = v
    return w + v, config
