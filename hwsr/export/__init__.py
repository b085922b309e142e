"""torch -> QONNX."""
