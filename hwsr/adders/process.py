"""A process that finds one adder graph: a task on standard input, the graph on standard output, both JSON."""

import sys

from hwsr.adders.shared import Found, Stored, Task
from hwsr.adders.solve import adder_graph


def main() -> None:
    task = Task.model_validate_json(sys.stdin.buffer.read())
    found = Found(adder_graph(task.matrix, task.digits), task.digits)
    sys.stdout.write(Stored.of(found).model_dump_json())


if __name__ == "__main__":
    main()
