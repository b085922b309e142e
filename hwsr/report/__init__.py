"""One page on a model: its network, hardware, dataflow and picture quality, and what is proved of them."""
