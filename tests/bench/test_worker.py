"""The measuring process: run within this process and as a process of its own."""

import io
import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from benchmarks import subjects, worker
from benchmarks.contenders import Task
from benchmarks.processes import WorkerError, environment, started


def task(work="train", who="numpy", batch=4):
    return asdict(Task(work, who, subjects.find("mlp"), batch, 1))


def served(*requests):
    answers = io.StringIO()
    worker.serve(io.StringIO("".join(json.dumps(request) + "\n" for request in requests)), answers, worker.Worker())
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_errors_are_answers():
    unknown, early = served({"do": "load", "task": task("swim")}, {"do": "run", "repetitions": 1})
    assert unknown["error"].startswith("OptionError: unknown contender 'swim numpy'; known: train numpy")
    assert early["error"] == "RuntimeError: no task was loaded"


def test_a_process_of_its_own_and_none_left():
    seen = []

    def interrupted():
        with started(["a", "b"], 1) as processes:
            seen.extend(processes.values())
            for work in ("train", "infer"):
                assert processes["a"].ask("load", task=task(work)) == {}
                assert processes["a"].ask("difference")["difference"] < 1e-6
                assert 0 < processes["a"].ask("run", repetitions=2)["seconds"] < 60
            with pytest.raises(WorkerError, match="AttributeError"):
                processes["b"].ask("dance")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [process._process.poll() is not None for process in seen] == [True, True]


def test_threads_are_pinned():
    actual = environment(3)
    assert {actual[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CHAINRULE_THREADS")} == {"3"}


@pytest.mark.parametrize(("bits", "kernels"), [("256", "AVX2"), ("128", "DEFAULT")])
def test_narrow_vectors_hold_pytorch_too(monkeypatch, bits, kernels):
    pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
    monkeypatch.setenv("CHAINRULE_VECTOR", bits)
    code = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    done = subprocess.run([sys.executable, "-c", code], env=environment(1), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == kernels
