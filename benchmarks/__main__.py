"""`python -m benchmarks`: the benchmarks, run from the root of a clone."""

from benchmarks.commands import bench

if __name__ == "__main__":
    bench(prog_name="python -m benchmarks")
