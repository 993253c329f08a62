"""Code generation: write a rewritten plan as the source of a program that calls kernels. May import `passes`."""
