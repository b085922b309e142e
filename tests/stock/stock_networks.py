"""Projects that hls4ml itself writes, for the tests to read back."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwsr.hls.model import quiet


class Residual(nn.Module):
    """A skip over a convolution, then a classifier."""

    frame = (3, 16, 12)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.point, self.pool, self.flat = nn.Conv2d(8, 4, 1), nn.MaxPool2d(2), nn.Flatten()
        self.relu, self.dense, self.end = nn.ReLU(), nn.Linear(4 * 8 * 6, 10), nn.Softmax(dim=-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.first(x))
        z: torch.Tensor = self.end(self.dense(self.flat(self.pool(self.point(y + self.second(y))))))
        return z


class Upscaling(nn.Module):
    """Other kernels: depthwise and strided convolutions, normalization, nearest neighbours, averages, leaky ReLU."""

    frame = (4, 8, 12)

    def __init__(self) -> None:
        super().__init__()
        self.down, self.norm = nn.Conv2d(4, 6, 3, stride=2), nn.BatchNorm2d(6)
        self.leaky, self.up = nn.LeakyReLU(0.25), nn.UpsamplingNearest2d(scale_factor=2)
        self.end, self.mean = nn.Conv2d(6, 2, (3, 1), padding=(1, 0)), nn.AvgPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.mean(self.end(self.up(self.leaky(self.norm(self.down(x))))))
        return y


class Signal(nn.Module):
    """One-dimensional kernels."""

    frame = (3, 32)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.pool = nn.Conv1d(3, 6, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)
        self.second, self.tanh = nn.Conv1d(6, 4, 3), nn.Tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.tanh(self.second(self.pool(self.relu(self.first(x)))))
        return y


class Merging(nn.Module):
    """Concatenations along each axis of inputs of unequal sizes, and a product."""

    frame = (4, 6, 8)
    # hls4ml 1.3 leaves the axes of PyTorch's order: of rows and columns it writes the other one.
    corrections = (("axis = 2;", "axis = rows;"), ("axis = 1;", "axis = 2;"), ("axis = rows;", "axis = 1;"))

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.narrow = nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)
        self.wide, self.gate, self.pool = nn.Conv2d(6, 4, 1), nn.Sigmoid(), nn.MaxPool2d((2, 1))
        self.side, self.end = nn.MaxPool2d((1, 2)), nn.Conv2d(4, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x))
        x = self.wide(torch.cat([x, self.narrow(x)], dim=1))
        x = x * self.gate(x)
        x = torch.cat([self.pool(x), x], dim=2)
        y: torch.Tensor = self.end(torch.cat([x, self.side(x)], dim=3))
        return y


class Pooled(nn.Module):
    """Pooling right at the input, whose settings count words and not values."""

    frame = (3, 32)
    layout = "internal"

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.relu = nn.MaxPool1d(2), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.relu(self.pool(x))
        return y


def write_stock(
    network: nn.Module, folder: Path, backend: str = "Vitis", strategy: str = "Resource", reuse_factor: int = 4
) -> Any:
    """Write a project as an hls4ml user does; returns hls4ml's ModelGraph."""
    with quiet():
        import hls4ml

        shape = network.frame
        options = {"backend": backend, "default_reuse_factor": reuse_factor, "granularity": "name"}
        options["channels_last_conversion"] = getattr(network, "layout", "full")
        config = hls4ml.utils.config_from_pytorch_model(network.eval(), shape, **options)
        config["Model"]["Strategy"] = strategy
        model = hls4ml.converters.convert_from_pytorch_model(
            network, output_dir=str(folder), backend=backend, io_type="io_stream", hls_config=config
        )
        model.write()
    parameters = folder / "firmware" / "parameters.h"
    for old, new in getattr(network, "corrections", ()):
        parameters.write_text(parameters.read_text().replace(old, new))
    return model
