"""PyTorch on a GPU, with a whole training step as one CUDA graph."""

from typing import Any

from benchmarks.contenders import Task
from benchmarks.contenders.torch import Training as EagerTraining
from benchmarks.peers.torch import torch

BEFORE_CAPTURE = 3  # warm-up steps, after which PyTorch has allocated all memory and selected all algorithms


class Training(EagerTraining):
    """The loop of `torch.Training` over tensors on the GPU; a CUDA graph replays each step.

    As in this library, products are computed in full float32 precision, and cuDNN selects algorithms by benchmarking.
    """

    def __init__(self, task: Task) -> None:
        if not torch.cuda.is_available():
            raise RuntimeError("PyTorch does not find a GPU")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        super().__init__(task)
        self._module = self._plain = self._plain.cuda()
        self._x, self._t = self._x.cuda(), self._t.cuda()
        for group in self._optimizer.param_groups:
            group["capturable"] = True
        self._graph: Any = None

    def repeat(self, count: int) -> None:
        """Replay the graph for a number of steps."""
        self._graph = self._graph or self._captured()
        super().repeat(count)
        torch.cuda.synchronize()

    def _step(self, x: Any, t: Any) -> None:
        for buffer, array in zip(self._batch, (x, t), strict=True):
            buffer.copy_(array)
        self._graph.replay()

    def _captured(self) -> Any:
        """Capture a step as a graph that reads a fixed buffer; `_step` copies each batch there."""
        batch = self._task.batch
        self._batch = self._x[:batch].clone(), self._t[:batch].clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(BEFORE_CAPTURE):
                super()._step(*self._batch)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        self._optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            super()._step(*self._batch)
        return graph
