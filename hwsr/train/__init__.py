"""Training: recipes, the loop, checkpoints and released weights."""
