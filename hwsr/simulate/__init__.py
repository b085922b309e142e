"""The generated pipeline, token by token: exact clocks of a frame, FIFO occupancy, stalls and deadlocks."""
