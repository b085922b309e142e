"""Whole designs of unmodified hls4ml kernels: the clocks between frames that csynth reports, and what is estimated.

A design's report stands in the same folder as those of its kernels. The estimate is the slowest of these by the laws,
and a clock more, as `hwsr estimate-hls4ml` has it, with coefficients fitted to the other repositories' reports alone.

python -m benchmarks.stock_designs hls_reports.json --json runs/designs.json
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from hwsr.estimate.fit import Sample, fit, samples, usable
from hwsr.estimate.model import Fitted, laws, predicted
from hwsr.estimate.predict import read_points
from hwsr.estimate.reports import DESCRIPTION, Row, Undescribed, describe
from hwsr.files import write_json
from hwsr.stock.pipeline import RESTART


@dataclass(frozen=True)
class Designed:
    """One design. kernels: whose reports stand beside its own; slowest: by the reports and by the laws."""

    source: str
    tool: str
    kernels: int
    reported: int
    slowest_reported: int
    estimated: int


def estimated(kernels: Sequence[Row], learnt: Fitted) -> Iterator[int]:
    """Clocks of a frame of those that have a law."""
    for row in kernels:
        try:
            kernel = describe({name: value for name, value in row.items() if name in DESCRIPTION})
        except Undescribed:
            continue
        found = laws(kernel)
        if "interval_max" in found:
            yield predicted(kernel, found["interval_max"], "interval_max", learnt).value


def without(known: Sequence[Sample], source: str) -> Fitted:
    """What the reports of all other repositories teach."""
    return Fitted(fit([sample for sample in known if sample.source != source], "interval_max"), {}, {})


def designs(rows: Sequence[Row]) -> Iterator[Designed]:
    """Those of io_stream whose own report and those of at least two kernels are in the file."""
    known = samples([row for row in rows if usable(row)], "interval_max")
    for row in rows:
        if row.get("layer_type") != "design" or not row.get("upstream_kernel") or not row.get("interval_max"):
            continue
        folder = PurePosixPath(row["path"]).parent
        beside = [
            each
            for each in rows
            if each["source"] == row["source"]
            and PurePosixPath(each["path"]).parent == folder
            and each.get("layer_type") != "design"
        ]
        slowest = [each["interval_max"] for each in beside if each.get("interval_max") is not None]
        estimates = list(estimated(beside, without(known, row["source"])))
        if len(estimates) > 1 and row["io_type"] == "io_stream":
            yield Designed(
                source=row["source"].removeprefix("github:"),
                tool=f"{row['tool']} {row['tool_version']}",
                kernels=len(beside),
                reported=row["interval_max"],
                slowest_reported=max(slowest),
                estimated=max(estimates) + RESTART,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path, help="file of reports in the schema of `hwsr estimate-layers`")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = list(designs(read_points(options.reports)))
    print("| design | tool | kernels | interval | slowest kernel's | estimate | off |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for each in found:
        off = abs(each.estimated - each.reported) / each.reported
        figures = (each.reported, each.slowest_reported, each.estimated)
        print(f"| {each.source} | {each.tool} | {each.kernels} | {' | '.join(f'{n:,}' for n in figures)} | {off:.1%} |")
    if options.json:
        write_json(options.json, [asdict(each) for each in found])


if __name__ == "__main__":
    main()
