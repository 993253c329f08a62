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


def batchnorm_forward(x, gamma, beta, bn_param):
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    rm = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    rv = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mu, var = x.mean(0), x.var(0)
        xh = (x - mu) / np.sqrt(var + eps)
        out = gamma * xh + beta
        rm = momentum * rm + (1 - momentum) * mu
        rv = momentum * rv + (1 - momentum) * var
        cache = (xh, gamma, var + eps)
    else:
        out = gamma * (x - rm) / np.sqrt(rv + eps) + beta
        cache = None
    bn_param["running_mean"] = rm
    bn_param["running_var"] = rv
    return out, cache


def batchnorm_backward(dout, cache):
    xh, gamma, v = cache
    dg = (dout * xh).sum(0)
    db = dout.sum(0)
    N = len(dout)
    dx = gamma / np.sqrt(v) * (dout - db / N - xh * dg / N)
    return dx, dg, db


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    else:
        out = x
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


def dropout_backward(dout, cache):
    param, mask = cache
    if param["mode"] == "train":
        return dout * mask
    return dout


def svm_loss(x, y):
    N = x.shape[0]
    m = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    m[np.arange(N), y] = 0
    loss = m.sum() / N
    dx = (m > 0).astype(float)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return loss, dx / N


def softmax_loss(x, y):
    t = np.eye(x.shape[1])[y]
    return mean_cross_entropy(x, t), cross_entropy_dp(x, t)


def sgd_momentum(w, dw, config):
    v = config["momentum"] * config.get("velocity", np.zeros_like(w)) - config["learning_rate"] * dw
    config["velocity"] = v
    return w + v, config
