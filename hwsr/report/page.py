"""The page: one HTML file that holds its pictures and styles, and fetches nothing."""

import jinja2
from markupsafe import Markup

from hwsr.report.claims import Absent
from hwsr.report.draw import draw
from hwsr.report.gather import Report
from hwsr.report.hardware import Amount
from hwsr.report.verdict import Status

# What a percentage of a bar is rounded to.
DIGITS = 2


def render(found: Report) -> str:
    """The HTML of a report. Every text in it is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hwsr.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "fixed": fixed, "percent": percent, "size": size, "amount": amount}
    environment.globals |= {"place": place, "is_absent": lambda part: isinstance(part, Absent), "Status": Status}
    return environment.get_template("report.html.j2").render(r=found, network=draw(found.blocks))


def count(value: float) -> str:
    """1,234, with a decimal where it is no whole number."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def fixed(value: float, digits: int = 2) -> str:
    return f"{value:,.{digits}f}"


def percent(share: float) -> str:
    """0.123 as 12.3 %."""
    return f"{share:.1%}".replace("%", " %")


def size(shape: tuple[int, int]) -> str:
    """(H, W) as width x height."""
    return f"{shape[1]}×{shape[0]}"


def amount(found: Amount) -> Markup:
    """An estimate with its range below."""
    if found.low == found.value == found.high:
        return Markup("{}").format(count(found.value))
    return Markup('{}<span class="range">{} to {}</span>').format(*map(count, (found.value, found.low, found.high)))


def place(start: float, stop: float, whole: float) -> Markup:
    """Where a bar lies on a track, as attributes of an SVG rectangle; never outside it."""
    left, right = (min(max(100 * end / whole, 0), 100) for end in (start, stop))
    return Markup('x="{}%" width="{}%"').format(round(left, DIGITS), round(max(right - left, 0.2), DIGITS))
