"""The networks of the paper, written once over a set of layers."""
