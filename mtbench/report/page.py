"""A page of headings, sentences, tables and pictures, written as Markdown and as one HTML file that needs no other."""

from __future__ import annotations

import base64
import csv
import html
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from isaacgymenvs_tasks.options import output

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;font-size:14px;margin:1em 0;display:block;overflow-x:auto}
th,td{padding:3px 10px;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
img{max-width:100%;height:auto;display:block;margin:1em 0}h2{border-top:2px solid #ddd;padding-top:1em}"""


class Page:
    """Collects blocks; pictures and tables are also written as files of their own.

    Args:
        folder: where everything goes.
        title: of the page.

    Raises:
        UserError: nothing can be written to the folder.
    """

    def __init__(self, folder: Path, title: str) -> None:
        self.folder, self.title = folder, title
        self._markdown = [f"# {title}\n"]
        self._html = [f"<h1>{html.escape(title)}</h1>"]
        output(folder, folder=True)

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading."""
        self._markdown.append(f"{'#' * level} {text}\n")
        self._html.append(f"<h{level}>{html.escape(text)}</h{level}>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._markdown.append(f"{text}\n")
        self._html.append(f"<p>{html.escape(text)}</p>")

    def bullets(self, items: Sequence[str]) -> None:
        """Add a list."""
        self._markdown.append("\n".join(f"- {item}" for item in items) + "\n")
        self._html.append("<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>")

    def table(self, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table, and write it to ``name.csv``."""
        cells = [[str(cell) for cell in row] for row in rows]
        lines = [[" ".join(c.split()).replace("|", "\\|") for c in row] for row in (list(header), *cells)]
        lines.insert(1, ["---"] * len(header))
        self._markdown.append("\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n")
        body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in cells)
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        self._html.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        self.data(name, header, cells)

    def data(self, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Write ``name.csv`` without showing it."""
        with (self.folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """Add a picture, and write it to ``name.png``."""
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=110, format="png")
        plt.close(figure)
        (self.folder / f"{name}.png").write_bytes(buffer.getvalue())
        source = base64.b64encode(buffer.getvalue()).decode()
        self._markdown.append(f"![{caption}]({name}.png)\n")
        self._html.append(f'<img id="{name}" alt="{html.escape(caption)}" src="data:image/png;base64,{source}">')

    def write(self) -> None:
        """Write ``report.md`` and ``report.html``."""
        (self.folder / "report.md").write_text("\n".join(self._markdown))
        (self.folder / "report.html").write_text(
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
            f"<style>{_STYLE}</style></head><body>{''.join(self._html)}</body></html>\n"
        )


def _cell(text: str) -> str:
    number = text[:1].isdigit() or text[:1] in "-<" or text == ""
    return f'<td class="number">{html.escape(text)}</td>' if number else f"<td>{html.escape(text)}</td>"
