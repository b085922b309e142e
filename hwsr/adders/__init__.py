"""What a trained network's constants cost in additions, as they are and after common subexpressions are shared."""
