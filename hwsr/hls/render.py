"""The files of a project, from their templates."""

from typing import Any

import jinja2


def render(template: str, **values: Any) -> str:
    """A file of a project, from its template."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hwsr.hls"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
