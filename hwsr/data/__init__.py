"""Images: reading and writing, bicubic resizing, metrics, data sets and training patches. Numpy only."""
