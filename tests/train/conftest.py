"""A tiny run that the tests of training share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from hwsr.data.images import write_png


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of two small smooth images."""
    y, x = np.mgrid[:40, :48]
    for number in (1, 2):
        waves = [np.sin(y / (3 + number + c)) * np.cos(x / (4 + c)) for c in range(3)]
        write_png(tmp_path / "photographs" / f"{number}.png", (127 + 120 * np.stack(waves, axis=2)).astype(np.uint8))
    return tmp_path / "photographs"


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from threads, and on a busy machine waiting for them takes most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
