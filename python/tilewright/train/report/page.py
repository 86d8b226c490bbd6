"""A page of HTML that needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from string import Template
from typing import Any

_DOTS_PER_INCH = 110

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1d2329; --dim: #5b6671; --paper: #f5f6f8;
  --card: #fff; --line: #dfe3e8; --accent: #1f6feb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --dim: #9aa5b1;
  --paper: #14181d; --card: #1c2229; --line: #303841; --accent: #6cb0ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 68rem;
  color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 0 0 .3rem; }
p { margin: 0 0 .8rem; color: var(--dim); max-width: 46rem; }
section { background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; padding: 1.1rem 1.3rem 1.3rem; margin-top: 1.2rem; }
.facts { display: grid; gap: .8rem; margin-top: 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); }
.facts div { background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; padding: .8rem 1rem; }
.facts b { display: block; font-size: 1.45rem; color: var(--accent);
  font-variant-numeric: tabular-nums; }
.facts span { color: var(--dim); font-size: .85rem; }
img { display: block; max-width: 100%; height: auto; background: #fff;
  border-radius: .3rem; margin: .4rem auto 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; }
td.number, th.number { text-align: right; padding-right: 0;
  font-variant-numeric: tabular-nums; }
code { font: .92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
</style>
</head>
<body>
<h1>$title</h1>
<p>$subtitle</p>
<div class="facts">
$facts
</div>
$sections
</body>
</html>
""")


def page(
    title: str,
    subtitle: str,
    facts: Iterable[tuple[str, str]],
    sections: Iterable[str],
) -> str:
    """The whole page.

    Parameters
    ----------
    title, subtitle : str
    facts : iterable of (str, str)
        What is said first: a value, and of what.
    sections : iterable of str
        From `section`.

    Returns
    -------
    str
    """
    boxes = (
        f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>"
        for value, name in facts
    )
    return _PAGE.substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        facts="\n".join(boxes),
        sections="\n".join(sections),
    )


def section(heading: str, text: str, content: str) -> str:
    """A part of the page: heading and text, and content that is HTML."""
    words = f"<p>{escape(text)}</p>" if text else ""
    return (
        f"<section>\n<h2>{escape(heading)}</h2>\n{words}\n"
        f'<div class="wide">{content}</div>\n</section>'
    )


def picture(figure: Any, description: str) -> str:
    """A Matplotlib figure as an image inside the page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    description : str
        For those who cannot see it.
    """
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=_DOTS_PER_INCH)
    width, height = figure.get_size_inches() * _DOTS_PER_INCH
    encoded = base64.b64encode(data.getvalue()).decode("ascii")
    return (
        f'<img alt="{escape(description, quote=True)}" width="{int(width)}" '
        f'height="{int(height)}" src="data:image/png;base64,{encoded}">'
    )


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; ints stand to the right, with their thousands marked."""
    cells = [list(row) for row in rows]
    numeric = [
        bool(cells) and all(isinstance(row[at], int) for row in cells)
        for at in range(len(header))
    ]

    def line(row: Sequence[Any], tag: str) -> str:
        parts = []
        for cell, number in zip(row, numeric, strict=True):
            text = f"{cell:,}" if isinstance(cell, int) else str(cell)
            kind = ' class="number"' if number else ""
            parts.append(f"<{tag}{kind}>{escape(text)}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    body = "\n".join(line(row, "td") for row in cells)
    return f"<table>\n{line(header, 'th')}\n{body}\n</table>"
