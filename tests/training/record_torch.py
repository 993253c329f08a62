"""Records PyTorch's results for test_trajectories.py, test_optimizers.py and test_schedules.py.

PyTorch is not a dependency of the tests. In an environment of its own:

    python -m venv /tmp/torch && /tmp/torch/bin/pip install torch==2.13.0 numpy
    /tmp/torch/bin/python tests/training/record_torch.py

It writes fixtures/torch.json: optimizers, schedules, and twenty steps of a small network, all in float64. Arrays are
[shape, base64 of little-endian float64], which keeps every bit.
"""

import base64
import json
import math
from pathlib import Path

import numpy as np
import torch

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {}, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.85}, {"momentum": 0.85}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.85, "nesterov": True}, {"momentum": 0.85}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-6}, {"alpha": 0.9, "epsilon": 1e-6}),
    "adam": (
        torch.optim.Adam,
        {"betas": (0.8, 0.95), "eps": 1e-7},
        {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-7},
    ),
    "adamw": (
        torch.optim.AdamW,
        {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1},
        {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.1},
    ),
}
DECAYED = {  # the same with weight decay, and RMSProp with momentum, under our names
    "sgd": (torch.optim.SGD, {"weight_decay": 0.1}, {"weight_decay": 0.1}),
    "momentum": (torch.optim.SGD, {"momentum": 0.85, "weight_decay": 0.1}, {"momentum": 0.85, "weight_decay": 0.1}),
    "nesterov": (
        torch.optim.SGD,
        {"momentum": 0.85, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.85, "weight_decay": 0.1},
    ),
    "rmsprop": (
        torch.optim.RMSprop,
        {"alpha": 0.9, "eps": 1e-6, "momentum": 0.7, "weight_decay": 0.1},
        {"alpha": 0.9, "epsilon": 1e-6, "momentum": 0.7, "weight_decay": 0.1},
    ),
}
ONE_CYCLES = [
    # steps, warm, divisor, final; 0.25·4 − 1 = 0 would divide by zero in PyTorch and is left out
    (100, 0.3, 25.0, 1e4),
    (25, 0.3, 25.0, 1e4),  # the top lies between two steps
    (10, 0.5, 10.0, 100.0),
    (3, 0.3, 25.0, 1e4),  # the top lies before the first step
    (2, 0.3, 25.0, 1e4),
    (1, 0.3, 25.0, 1e4),
    (7, 0.9, 1.0, 1.0),
]
STEP_RULES = [(12, 4, 1, 0.1), (12, 3, 2, 0.5), (9, 1, 4, 0.9)]  # steps, steps per epoch, epochs, gamma
COSINES = [1, 2, 7, 50]


def pack(array):
    array = np.asarray(array, "<f8")
    return [list(array.shape), base64.b64encode(array.tobytes()).decode()]


def optimizers():
    generator = np.random.default_rng(1)
    start, steps = generator.normal(size=5), 25
    gradients = generator.normal(size=(steps, 5)) * 10.0 ** generator.integers(-4, 3, size=(steps, 5))
    gradients[:, 4] = 0.0
    rates = 0.05 / (1 + np.arange(steps))
    found = {"start": pack(start), "gradients": pack(gradients), "rates": pack(rates)}
    for runs, table in (("runs", OPTIMIZERS), ("decayed", DECAYED)):
        found[runs] = {name: run(start, gradients, rates, *entry) for name, entry in table.items()}
    return found


def run(start, gradients, rates, kind, theirs, ours):
    p = torch.tensor(start, requires_grad=True)
    optimizer = kind([p], lr=1.0, **theirs)
    trajectory = []
    for g, rate in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = float(rate)
        p.grad = torch.tensor(g)
        optimizer.step()
        trajectory.append(p.detach().numpy().copy())
    state = optimizer.state[p]
    keys = [key for key in ("momentum_buffer", "exp_avg", "exp_avg_sq", "square_avg") if state.get(key) is not None]
    keys.sort(key=lambda key: key == "momentum_buffer")  # for RMSprop it comes second
    moments = [pack(state[key].numpy()) for key in keys]
    return {"options": ours, "trajectory": pack(trajectory), "moments": moments}


def factors(make, steps):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = make(optimizer)
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < steps:
            schedule.step()
    return rates


def schedules():
    scheduler = torch.optim.lr_scheduler
    found = []
    for steps, warm, divisor, final in ONE_CYCLES:
        rates = factors(
            lambda optimizer, total=steps, warm=warm, divisor=divisor, final=final: scheduler.OneCycleLR(
                optimizer,
                1.0,
                total_steps=total,
                pct_start=warm,
                div_factor=divisor,
                final_div_factor=final,
                cycle_momentum=False,
            ),
            steps,
        )
        config = {"name": "one-cycle", "warm": warm, "divisor": divisor, "final": final}
        found.append({"config": config, "steps": steps, "epoch_steps": steps, "factors": rates})
    for steps, epoch_steps, epochs, gamma in STEP_RULES:
        rates = factors(
            lambda optimizer, every=epochs * epoch_steps, gamma=gamma: scheduler.StepLR(optimizer, every, gamma), steps
        )
        config = {"name": "step", "epochs": epochs, "gamma": gamma}
        found.append({"config": config, "steps": steps, "epoch_steps": epoch_steps, "factors": rates})
    for steps in COSINES:
        rates = factors(lambda optimizer, total=steps: scheduler.CosineAnnealingLR(optimizer, total), steps)
        found.append({"config": {"name": "cosine"}, "steps": steps, "epoch_steps": steps, "factors": rates})
    assert all(math.isfinite(rate) for entry in found for rate in entry["factors"])
    return found


NAMES = {
    "0.weight": "conv1.w",
    "0.bias": "conv1.b",
    "3.weight": "norm1.gamma",
    "3.bias": "norm1.beta",
    "3.running_mean": "norm1.running_mean",
    "3.running_var": "norm1.running_variance",
    "5.weight": "dense1.w",
    "5.bias": "dense1.b",
}


def network():
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=1, groups=2),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(24, 3),
    ).double()
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(8, 2, 7, 6)), generator.integers(0, 3, size=8)
    batches = [[0, 1, 2, 3, 4], [5, 6, 7]]
    found = {
        "x": pack(x),
        "y": y.tolist(),
        "batches": batches,
        "learning_rate": 0.02,
        "weight_decay": 0.05,
        "start": {NAMES[name]: pack(p.detach()) for name, p in model.state_dict().items() if name in NAMES},
        "steps": [],
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=found["learning_rate"], weight_decay=found["weight_decay"])
    for step in range(20):
        chosen = batches[step % 2]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.tensor(x[chosen])), torch.tensor(y[chosen]))
        loss.backward()
        gradients = {NAMES[name]: pack(p.grad) for name, p in model.named_parameters()}
        optimizer.step()
        weights = {NAMES[name]: pack(p.detach()) for name, p in model.state_dict().items() if name in NAMES}
        found["steps"].append({"loss": loss.item(), "gradients": gradients, "weights": weights})
    model.eval()
    found["output"] = pack(torch.softmax(model(torch.tensor(x)), 1).detach())
    return found


if __name__ == "__main__":
    content = {"torch": torch.__version__, "optimizers": optimizers(), "schedules": schedules(), "network": network()}
    path = Path(__file__).parent / "fixtures" / "torch.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(path, path.stat().st_size, "bytes")
