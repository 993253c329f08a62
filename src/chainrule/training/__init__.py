"""Training: recipes, the loop, its history, checkpoints and run folders."""
