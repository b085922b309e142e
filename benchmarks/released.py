"""The released models' scores as a Markdown table, each form below the float net that it was made from.

python -m benchmarks.released [MODELS]
"""

import argparse
from pathlib import Path

from hwsr.release import Form, Release, read_release

SETS = ("Set5", "Set14", "B100")
FORMS = tuple(form.value for form in Form)
HEADINGS = (
    "folder",
    "form",
    *(f"{name}, dB" for name in SETS),
    *(f"{name}, SSIM" for name in SETS),
    "steps",
    "minutes",
)


def table(models: Path) -> str:
    """Of every folder of released models. Raises HwsrError for one whose release.json is missing or damaged."""
    folders = sorted(path.parent for path in models.glob("*/model.safetensors"))
    found = {folder.name: read_release(folder) for folder in folders}
    rows = [f"| {' | '.join(HEADINGS)} |", f"|{' --- |' * len(HEADINGS)}"]
    for name, release in found.items():
        forms = {form: each for form in FORMS if (each := found.get(f"{name}_{form}"))}
        if forms:
            rows.append(_row(name, "float", release, release))
            rows += [_row(f"{name}_{form}", form, each, release) for form, each in forms.items()]
    return "\n".join(rows)


def _row(name: str, form: str, release: Release, float_net: Release) -> str:
    decibels = []
    for data in SETS:
        own, full = (each.scores[data].psnr for each in (release, float_net))
        decibels.append(f"{own:.2f}" if release is float_net else f"{own:.2f} ({own - full:+.2f})")
    minutes = "" if release.seconds is None else f"{release.seconds / 60:.0f}"
    likeness = [f"{release.scores[data].ssim:.4f}" for data in SETS]
    cells = (f"`{name}`", form, *decibels, *likeness, f"{release.steps:,}", minutes)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="?", type=Path, default=Path(__file__).parent.parent / "models")
    print(table(parser.parse_args().models))


if __name__ == "__main__":
    main()
