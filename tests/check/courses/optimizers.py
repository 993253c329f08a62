"""Optimizers in the forms of courses and tutorials."""

import numpy as np


def _rmsprop(w, g, v, rate, decay, epsilon):
    v = decay * v + (1 - decay) * g**2
    return w - rate * g / (np.sqrt(v) + epsilon), v


def _adam(w, g, m, v, t, rate, b1, b2, epsilon):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
    return w - rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + epsilon), m, v


def sgd(w, dw, config=None):
    config = {} if config is None else config
    w -= config.setdefault("learning_rate", 1e-2) * dw
    return w, config


def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    rate, momentum = config.setdefault("learning_rate", 1e-2), config.setdefault("momentum", 0.9)
    v = momentum * config.get("velocity", 0) - rate * dw
    config["velocity"] = v
    return w + v, config


def rmsprop(x, dx, config=None):
    options = config["learning_rate"], config["decay_rate"], config["epsilon"]
    x, config["cache"] = _rmsprop(x, dx, config.get("cache", 0), *options)
    return x, config


def adam(w, dw, config=None):
    options = config["learning_rate"], config["beta1"], config["beta2"], config["epsilon"]
    config["t"] = config.get("t", 0) + 1
    w, config["m"], config["v"] = _adam(w, dw, config.get("m", 0), config.get("v", 0), config["t"], *options)
    return w, config


class Optimizer_Adam:
    def __init__(self, learning_rate=0.001, decay=0.0, epsilon=1e-7, beta_1=0.9, beta_2=0.999):
        self.learning_rate = self.current_learning_rate = learning_rate
        self.decay, self.iterations = decay, 0
        self.epsilon, self.beta_1, self.beta_2 = epsilon, beta_1, beta_2

    def pre_update_params(self):
        if self.decay:
            self.current_learning_rate = self.learning_rate / (1.0 + self.decay * self.iterations)

    def update_params(self, layer):
        if not hasattr(layer, "weight_cache"):
            layer.weight_momentums = layer.weight_cache = layer.bias_momentums = layer.bias_cache = 0
        options = self.iterations + 1, self.current_learning_rate, self.beta_1, self.beta_2, self.epsilon
        layer.weights, layer.weight_momentums, layer.weight_cache = _adam(
            layer.weights, layer.dweights, layer.weight_momentums, layer.weight_cache, *options
        )
        layer.biases, layer.bias_momentums, layer.bias_cache = _adam(
            layer.biases, layer.dbiases, layer.bias_momentums, layer.bias_cache, *options
        )

    def post_update_params(self):
        self.iterations += 1


class RMSprop:  # deep learning from scratch
    def __init__(self, lr=0.01, decay_rate=0.99):
        self.lr, self.decay_rate, self.h = lr, decay_rate, None

    def update(self, params, grads):
        self.h = self.h or dict.fromkeys(params, 0)
        for key in params:
            params[key], self.h[key] = _rmsprop(params[key], grads[key], self.h[key], self.lr, self.decay_rate, 1e-7)


class Nesterov:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, None

    def update(self, params, grads):
        self.v = self.v or [0] * len(params)
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            before = self.v[i]
            self.v[i] = self.momentum * before - self.lr * g
            p += -self.momentum * before + (1 + self.momentum) * self.v[i]


class SGD:  # CMU
    def __init__(self, model, lr=0.1, momentum=0):
        self.l, self.lr, self.mu = model.layers, lr, momentum
        self.v_W, self.v_b = [0] * len(self.l), [0] * len(self.l)

    def step(self):
        for i, layer in enumerate(self.l):
            self.v_W[i] = self.mu * self.v_W[i] + layer.dLdW
            self.v_b[i] = self.mu * self.v_b[i] + layer.dLdb
            layer.W = layer.W - self.lr * self.v_W[i]
            layer.b = layer.b - self.lr * self.v_b[i]


class Momentum:  # ML from scratch
    def __init__(self, learning_rate=0.01, momentum=0):
        self.learning_rate, self.momentum, self.w_updt = learning_rate, momentum, 0

    def update(self, w, grad_wrt_w):
        self.w_updt = self.momentum * self.w_updt + grad_wrt_w
        return w - self.learning_rate * self.w_updt


class AdamOptim:
    def __init__(self, eta=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.m_dw = self.v_dw = self.m_db = self.v_db = 0
        self.eta, self.beta1, self.beta2, self.epsilon = eta, beta1, beta2, epsilon

    def update(self, t, w, b, dw, db):
        options = t, self.eta, self.beta1, self.beta2, self.epsilon
        w, self.m_dw, self.v_dw = _adam(w, dw, self.m_dw, self.v_dw, *options)
        b, self.m_db, self.v_db = _adam(b, db, self.m_db, self.v_db, *options)
        return w, b


class AdamW:
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        self.params, self.lr, self.betas, self.eps, self.weight_decay = params, lr, betas, eps, weight_decay
        self.t, self.m, self.v = 0, [0] * len(params), [0] * len(params)

    def step(self):
        self.t += 1
        for i, p in enumerate(self.params):
            g = p.grad
            p.data = p.data - self.lr * self.weight_decay * p.data
            p.data, self.m[i], self.v[i] = _adam(
                p.data, g, self.m[i], self.v[i], self.t, self.lr, *self.betas, self.eps
            )


def update_parameters_with_adam(parameters, grads, v, s, t, learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
    for name in parameters:
        d = f"d{name}"
        parameters[name], v[d], s[d] = _adam(
            parameters[name], grads[d], v[d], s[d], t, learning_rate, beta1, beta2, epsilon
        )
    return parameters, v, s


def momentum_update(w, dw, v, lr=0.1, mu=0.9):
    v = mu * v - lr * dw
    return w + v, v
