"""Whole designs of unmodified hls4ml kernels: the clocks between frames that csynth reports, and what is estimated.

A design's report stands in the same folder as those of its kernels. The estimate is the slowest of these by the laws,
and a clock more, as `hwsr estimate-hls4ml` has it. No design's report was used in any fit.

python -m benchmarks.stock_designs hls_reports.json --json runs/designs.json
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from hwsr.estimate.predict import estimate_point, read_points
from hwsr.estimate.reports import Row
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


def designs(rows: Sequence[Row]) -> Iterator[Designed]:
    """Those of io_stream whose own report and those of at least two kernels are in the file."""
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
        estimates = [found for each in beside if (found := estimate_point(each)["interval_max"]) is not None]
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
