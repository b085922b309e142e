"""What is best of what was found: the networks that no other beats in everything."""

from collections.abc import Mapping, Sequence

import numpy as np

from hwsr.explore.search import Found


def front(found: Sequence[Found], objectives: Mapping[str, str]) -> list[Found]:
    """Those that no other equals or beats in every objective and beats in one; the best in dB first.

    objectives: by name, 'maximize' or 'minimize'. Equals all stay.
    """
    signs = [-1 if direction == "maximize" else 1 for direction in objectives.values()]
    table = np.array([[each.value(name) for name in objectives] for each in found]).reshape(-1, len(objectives)) * signs
    best = [
        each
        for each, row in zip(found, table, strict=True)
        if not ((table <= row).all(axis=1) & (table < row).any(axis=1)).any()
    ]
    return sorted(best, key=lambda each: (-each.psnr, each.hardware.lut, each.number))


def reaching(found: Sequence[Found], psnr: float | None) -> list[Found]:
    """Those of at least `psnr` dB. The front of these is the part of the front that has as much."""
    return [each for each in found if psnr is None or each.psnr >= psnr]
