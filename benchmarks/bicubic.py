"""Bicubic upscaling of the benchmark sets' LR files against published Y-PSNRs: what shows that pictures are measured
as others measure them.

python -m benchmarks.bicubic DATA --json runs/bicubic.json      (DATA holds Set5, Set14 and B100 in EDSR's layout)
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hwsr.data.bicubic import resize_bicubic
from hwsr.data.datasets import validation_images
from hwsr.data.metrics import psnr_y
from hwsr.files import write_json

# Interpolation with the kernel a = -0.5, as others measured it on the same LR files, in dB at x2, x3, x4.
PUBLISHED = {"Set5": (33.67, 30.41, 28.43), "Set14": (30.33, 27.63, 26.09), "B100": (29.56, 27.21, 25.96)}
TOLERANCE_DB = 0.02


def mean_psnr(folder: Path, scale: int) -> float:
    """Mean Y-PSNR of bicubic upscaling over one set."""
    pairs = validation_images(scale, folder)
    return float(np.mean([psnr_y(resize_bicubic(pair.lr, scale), pair.hr, scale) for pair in pairs]))


def main() -> None:
    """Print the table; exit code 1 where a mean is off by more than the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    table = Table("set", "scale", "published dB", "ours dB", "difference")
    rows = []
    for name, figures in PUBLISHED.items():
        for scale, published in zip((2, 3, 4), figures, strict=True):
            ours = mean_psnr(arguments.data / name, scale)
            rows.append({"set": name, "scale": scale, "published": published, "ours": ours})
            table.add_row(name, f"x{scale}", f"{published:.2f}", f"{ours:.4f}", f"{ours - published:+.4f}")
    Console().print(table)
    if arguments.json:
        write_json(arguments.json, rows)
    sys.exit(any(abs(row["ours"] - row["published"]) > TOLERANCE_DB for row in rows))


if __name__ == "__main__":
    main()
