"""What the processes of the tests of several devices run; a module of its own, for they import it."""

from pathlib import Path

import numpy as np
from lightning_fabric import Fabric
from rich.console import Console
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from hwsr.errors import HwsrError
from hwsr.train.fabric import Listen
from hwsr.train.loop import Run, Task


def train_and_gather(fabric: Fabric, listen: Listen, task: Task) -> Path:
    """Train without saving, and write the weights of all processes, one a row, to ranks.npy."""
    run = Run(fabric, task, Console(quiet=True))
    with listen() as stop:
        for stage, start in task.recipe.starts():
            run.train_stage(stage, start, None, stop)
    weights = fabric.all_gather(parameters_to_vector(run.network.parameters()).detach())
    assert isinstance(weights, Tensor)
    if fabric.is_global_zero:
        np.save(task.out / "ranks.npy", weights.numpy().reshape(fabric.world_size, -1))
    return task.out / "ranks.npy"


def fail_on_the_first(fabric: Fabric, listen: Listen) -> Path:
    """The first process meets bad input while the others wait for it."""
    if fabric.is_global_zero:
        raise HwsrError("bad input")
    fabric.barrier()
    return Path()
