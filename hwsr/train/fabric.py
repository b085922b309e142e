"""One device or several, by Lightning Fabric: where training runs and how its processes keep together.

On several devices every process takes its share of the same batches and DistributedDataParallel averages the
gradients, so that weights differ from those of one device by rounding only.
"""

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import distributed
from torch.multiprocessing.spawn import ProcessException

from hwsr.errors import HwsrError, Interrupted
from hwsr.train.stopping import Event, stop_on_signals

logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # in every process, which import this module

# Gives the event that asks for a stop while it is entered.
Listen = Callable[[], AbstractContextManager[Event]]
Worker = Callable[..., Path]


def accelerator() -> str:
    """'cuda' where there is such a GPU, else 'cpu'."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def launch(devices: int, worker: Worker, *args: Any) -> Path:
    """Run `worker(fabric, listen, *args)` on `devices` devices and return what its first process does.

    One device is this very process; each of several gets a new one, for which `worker` and `args` are pickled. Raises
    HwsrError when there are too few GPUs, and whatever HwsrError or Interrupted a worker raises.
    """
    if devices > 1 and accelerator() == "cuda" and devices > torch.cuda.device_count():
        raise HwsrError(f"{devices} devices asked for, {torch.cuda.device_count()} GPUs here; lower --devices")
    # What CUDA needs for products that come out the same every time, set before it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if devices > 1:
        return _launch_several(devices, worker, *args)
    fabric = Fabric(accelerator=accelerator(), devices=1)
    return worker(fabric, stop_on_signals, *args)


def _launch_several(devices: int, worker: Worker, *args: Any) -> Path:
    context = multiprocessing.get_context("spawn")
    stop, errors = context.Event(), context.SimpleQueue()
    # In a float stage the scales of quantizers take no part; of a stage in which all do, the processes need not warn.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    strategy = DDPStrategy(start_method="spawn", find_unused_parameters=True)
    fabric = Fabric(accelerator=accelerator(), devices=devices, strategy=strategy)
    threads = max(torch.get_num_threads() // devices, 1)
    # In one piece, for Fabric looks into arguments and refuses frozen dataclasses.
    run = partial(_in_process, worker=worker, args=args, stop=stop, errors=errors, threads=threads)
    with stop_on_signals(stop):
        try:
            path: Path = fabric.launch(run)
        except ProcessException:
            if errors.empty():
                raise
            raise errors.get() from None
        except KeyboardInterrupt:
            for child in multiprocessing.active_children():
                child.kill()
            raise
    return path


def _in_process(
    fabric: Fabric, worker: Worker, args: tuple[Any, ...], stop: Event, errors: "SimpleQueue[Exception]", threads: int
) -> Path:
    """The worker in a process of its own; `stop` is shared, so that whichever process a signal reaches, all stop."""
    torch.set_num_threads(threads)
    with stop_on_signals(stop):
        try:
            return worker(fabric, partial(nullcontext, stop), *args)
        except (HwsrError, Interrupted) as error:
            errors.put(error)
            raise
        except KeyboardInterrupt:
            errors.put(
                Interrupted("interrupted twice, so nothing was saved; --resume goes on from the last checkpoint")
            )
            sys.exit(1)  # torch takes a KeyboardInterrupt for a good end and would wait for a result
        finally:
            # A process that ends while the group's threads still run is aborted by C++.
            distributed.destroy_process_group()
