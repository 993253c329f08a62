"""Optimizers in the forms of courses and tutorials."""

import numpy as np


def _rmsprop(w, g, v, rate, decay, epsilon):
    v = decay * v + (1 - decay) * g**2
    return w - rate * g / (np.sqrt(v) + epsilon), v


def _adam(w, g, m, v, t, rate, b1, b2, epsilon):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
    return w - rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + epsilon), m, v


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
