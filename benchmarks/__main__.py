"""`python -m benchmarks`: runs the benchmarks. Start it in the root folder of the repository."""

from benchmarks.commands import bench

if __name__ == "__main__":
    bench(prog_name="python -m benchmarks")
