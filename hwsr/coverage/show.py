"""The coverage as tables, and every failure by name."""

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hwsr.coverage.check import Outcome


def render(outcomes: Sequence[Outcome]) -> Group:
    """A table for each title: pixels that were compared, or values that differ; failures and the count below."""
    titles = dict.fromkeys(outcome.cell.table for outcome in outcomes)
    parts: list[Text | str | Table] = []
    for title in titles:
        those = [outcome for outcome in outcomes if outcome.cell.table == title]
        parts += [Text.assemble("\n", (title, "bold"), ": values that differ / pixels compared"), _table(those)]
    return Group(*parts, "", *map(Text, verdict(outcomes)))


def _table(outcomes: Sequence[Outcome]) -> Table:
    cells = {(outcome.cell.row, outcome.cell.column): outcome for outcome in outcomes}
    rows, columns = dict.fromkeys(row for row, _ in cells), dict.fromkeys(column for _, column in cells)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # fits in 80 columns
    table.add_column("network")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(Text(row), *(_cell(cells.get((row, column))) for column in columns))
    return table


def _cell(outcome: Outcome | None) -> Text:
    if outcome is None:
        return Text("hole", "red")
    if outcome.rule:
        return Text("not defined", "dim")
    if outcome.error or not outcome.pixels:
        return Text("hole", "red")
    return Text(f"{outcome.mismatches:,} / {outcome.pixels:,}", "red" if outcome.failure else "green")


def verdict(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What failed, which rules leave cells undefined, and how many networks pass."""
    for rule in dict.fromkeys(outcome.rule for outcome in outcomes if outcome.rule):
        yield f"not defined: {rule}"
    defined = [outcome for outcome in outcomes if not outcome.rule]
    failed = [outcome for outcome in defined if outcome.failure]
    for outcome in failed:
        yield f"{outcome.cell.network}: {outcome.failure}"
    pixels, layers = (sum(getattr(outcome, name) for outcome in defined) for name in ("pixels", "layers"))
    passing = f"{len(defined) - len(failed)} of {len(defined)} networks pass"
    yield f"{passing}, {pixels:,} output pixels and {layers:,} layers compared"
