"""Frames as the testbench reads and writes them: text, one frame a line, integers in (H, W, C) order."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.graph import Input, IntArray

# Patterns of `adversarial`, and pixels beyond which as many frames would be too much text to write and to simulate.
PATTERNS, LARGE = 9, 1 << 16


def adversarial(image: Input, frame: tuple[int, int], seed: int = 0) -> IntArray:
    """Frames (N, C, H, W) that drive every accumulator hard: constant extremes, checkerboards, stripes and noise."""
    lo, hi = image.type.lo, image.type.hi
    shape = (image.channels, *frame)
    rng = np.random.default_rng(seed)
    y, x = np.indices(frame)
    c = np.arange(image.channels)[:, None, None]
    patterns = [
        np.zeros(shape, bool),
        np.ones(shape, bool),
        np.broadcast_to((y + x) % 2 == 1, shape),
        np.broadcast_to((y + x + c) % 2 == 1, shape),
        np.broadcast_to(y // 2 % 2 == 1, shape),
        rng.random(shape) < 0.5,
        rng.random(shape) < 0.05,
    ]
    extremes = [np.where(pattern, hi, lo) for pattern in patterns]
    noise = [rng.integers(lo, hi + 1, shape) for _ in range(2)]
    return np.stack(extremes + noise).astype(np.int64)


def hard_frames(image: Input, frame: tuple[int, int]) -> IntArray:
    """`adversarial` frames (N, C, H, W); where one would be large, a single one that holds them band below band."""
    height, width = frame
    if height * width <= LARGE:
        return adversarial(image, frame)
    bands = adversarial(image, (-(-height // PATTERNS), width))
    return np.concatenate(list(bands), axis=1)[None, :, :height]


def write_frames(path: Path, frames: NDArray[np.integer]) -> None:
    """Write frames (N, C, H, W)."""
    rows = frames.transpose(0, 2, 3, 1).reshape(len(frames), -1)
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows.tolist()), encoding="ascii")


def read_frames(path: Path, shape: tuple[int, int, int]) -> IntArray:
    """Read frames of `shape` (C, H, W). Returns (N, C, H, W). Raises HwsrError when the file holds something else."""
    channels, height, width = shape
    try:
        values = np.array(path.read_text(encoding="ascii").split(), np.int64)
        return np.ascontiguousarray(values.reshape(-1, height, width, channels).transpose(0, 3, 1, 2))
    except (OSError, ValueError) as error:
        raise HwsrError(
            f"{path}: not frames of {channels} x {height} x {width} integers; write the project again"
        ) from error
