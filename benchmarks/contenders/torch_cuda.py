"""PyTorch on a GPU, with a whole training step as one CUDA graph."""

import time
from typing import Any

from benchmarks.contenders import Task
from benchmarks.contenders.torch import Training as EagerTraining
from benchmarks.peers.torch import torch

BEFORE_CAPTURE = 3  # steps after which PyTorch has allocated and chosen all that it will


class Training(EagerTraining):
    """The loop of `torch.Training` over tensors on the GPU: forward, loss, backward and update are replayed.

    Products are computed in full float32, as ours are, and cuDNN's algorithms chosen by measurement.
    """

    def __init__(self, task: Task) -> None:
        if not torch.cuda.is_available():
            raise RuntimeError("PyTorch finds no GPU here")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        super().__init__(task)
        self._module = self._plain = self._plain.cuda()
        self._x, self._t = self._x.cuda(), self._t.cuda()
        for group in self._optimizer.param_groups:
            group["capturable"] = True
        self._graph: Any = None
        self._place = 0

    def run(self, repetitions: int, warm_ups: int) -> float:
        """Run steps, and return the seconds of the timed repetitions."""
        self._graph = self._graph or self._captured()
        self._steps(warm_ups)
        torch.cuda.synchronize()
        start = time.perf_counter()
        self._steps(repetitions)
        torch.cuda.synchronize()
        return time.perf_counter() - start

    def _captured(self) -> Any:
        """Return the graph of a step on the first batch's memory, into which each batch is then copied."""
        batch = self._task.batch
        self._batch = self._x[:batch].clone(), self._t[:batch].clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(BEFORE_CAPTURE):
                self._step()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        self._optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            self._step()
        return graph

    def _step(self) -> None:
        x, t = self._batch
        self._optimizer.zero_grad(set_to_none=True)
        self._loss(self._module(x), t).backward()
        self._optimizer.step()

    def _steps(self, count: int) -> None:
        (x, t), batch = self._batch, self._task.batch
        for _ in range(count):
            i = self._place
            j = i + batch
            x.copy_(self._x[i:j])
            t.copy_(self._t[i:j])
            self._graph.replay()
            self._place = 0 if j >= len(self._x) else j
