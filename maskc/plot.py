"""Masks as images: matplotlib draws the panels of `maskc.panels`, without a window.

Every picture is laid out in pixels, so that each cell takes a whole number of them, and two runs
give the same bytes.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy
from matplotlib import rc_context
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from maskc.neighbourhood import Neighbourhood, View
from maskc.panels import ABSENT, DROPPED, FULL, KEPT, Panel

COLORS = {ABSENT: "#f5f5f3", DROPPED: "#f2dfb8", KEPT: "#7aaed8", FULL: "#1f4f7d"}
SEEN, QUERY = "#4a7c74", "#d1602b"
INK, FAINT = "#333333", "#8a8a8a"
LEGEND = {
    FULL: "full tile: every pair is kept",
    KEPT: "partial tile: a kept pair",
    DROPPED: "partial tile: computed, then dropped",
    ABSENT: "absent tile: nothing is computed",
}

DPI = 200
MOST_LINES = 64
"""Tiles of a side between which lines are drawn."""

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "maskc",
    "svg.fonttype": "none",
    "image.composite_image": False,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
LEFT, RIGHT, GAP = 0.75, 0.3, 0.8
"""Inches beside the panels, and between two."""

ABOVE, LINE = 0.6, 0.16
"""Inches above a row of panels, and of a line of text."""

LETTER = 0.062
"""Inches of a letter of a headline."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What an image says and shows.

    Attributes:
        title: one line.
        told: sentences under it.
        panels: the masks.
        cell, block: tokens of a cell and of a tile.
        n_q, n_k: lengths.
        views: what one query sees on its grid, each for the heads that see the same.
        n_heads: how many heads there are, drawn or not.

    """

    title: str
    told: Sequence[str]
    panels: Sequence[Panel]
    cell: int
    block: int
    n_q: int
    n_k: int
    views: Sequence[View]
    n_heads: int


def image(picture: Picture, kind: str) -> bytes:
    """A picture as a file of `kind`, "png" or "svg"; the same picture gives the same bytes."""
    with rc_context(STYLE):
        figure = _figure(picture)
        out = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None, "Creator": "maskc"}
        if kind == "png":
            metadata = {"Software": "maskc"}
        figure.savefig(out, format=kind, dpi=DPI, metadata=metadata)
    return out.getvalue()


def _figure(picture: Picture) -> Figure:
    n, views = len(picture.panels), picture.views
    columns = min(n, 2 if n <= 4 else 3 if n <= 9 else 4)
    rows = ceil(n / columns)
    wide, high = _panel_size(picture)
    width = LEFT + columns * wide + (columns - 1) * GAP + RIGHT
    near_wide, near_high = _view_size(picture)
    beside = n == 1 and bool(views)
    a_row = 1 if any(len(view.near.planes) > 1 for view in views) else min(columns, len(views))
    near_wide = max(near_wide, wide) if a_row > 1 else near_wide
    if beside:
        width += GAP + near_wide
    else:
        width = max(width, LEFT + a_row * (near_wide + GAP) - GAP + RIGHT)
    width = max(width, 5.6)
    told = [line for text in picture.told for line in textwrap.wrap(text, int(width / 0.066))]
    head = 0.4 + LINE * len(told)
    legend = 0.3 + 0.18 * ceil(len(LEGEND) / _legend_columns(width))
    if n == 1 and not views and picture.n_heads == 1:
        head -= 0.2
    body = rows * (high + ABOVE)
    if beside:
        body = max(body, near_high + ABOVE)
    elif views:
        body += ceil(len(views) / a_row) * (near_high + ABOVE)
    height = head + body + legend
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.text(LEFT / width, 1 - 0.26 / height, picture.title, size=11, weight="bold", va="center")
    for i, line in enumerate(told):
        y = 1 - (0.47 + LINE * i) / height
        figure.text(LEFT / width, y, line, size=7.5, color="#5c5c5c", va="center")

    def place(x: float, y: float, w: float, h: float) -> Any:
        """Axes at inches from the upper left corner."""
        return figure.add_axes((x / width, 1 - (y + h) / height, w / width, h / height))

    for i, panel in enumerate(picture.panels):
        row, column = divmod(i, columns)
        axes = place(LEFT + column * (wide + GAP), head + row * (high + ABOVE) + ABOVE, wide, high)
        _draw_panel(axes, picture, panel)
    left = LEFT + wide + GAP if beside else LEFT
    top = head + ABOVE + (0 if beside else rows * (high + ABOVE))
    for i, view in enumerate(views):
        row, column = divmod(i, a_row)
        x, y = left + column * (near_wide + GAP), top + row * (near_high + ABOVE)
        _draw_near(place, x, y, view.near, _seen(view, picture))
    _draw_legend(figure, width, height, picture)
    return figure


def _panel_size(picture: Picture) -> tuple[float, float]:
    """Width and height in inches, a whole number of pixels for each cell."""
    n = len(picture.panels)
    inches = 4.4 if n == 1 else 3.4 if n <= 4 else 2.4
    rows, columns = picture.panels[0].kinds.shape
    pixels = max(1, round(inches * DPI / max(rows, columns)))
    tall = max(pixels, ceil(0.25 * DPI / rows))
    wide = max(pixels, ceil(0.25 * DPI / columns))
    return columns * wide / DPI, rows * tall / DPI


def _view_size(picture: Picture) -> tuple[float, float]:
    """Width and height in inches that serve every view."""
    if not picture.views:
        return 0.0, 0.0
    near = picture.views[0].near
    step = _near_step(near)
    letters = max(len(_seen(view, picture)) for view in picture.views)
    wide = len(near.planes) * (len(near.planes[0][0]) * step + 0.2)
    return max(wide, letters * LETTER), len(near.planes[0]) * step


def _seen(view: View, picture: Picture) -> str:
    """What a query sees, in words."""
    near = view.near
    keys = "1 key" if near.n_seen == 1 else f"{near.n_seen:,} keys"
    others = f" here, {near.n_elsewhere:,} elsewhere" if near.n_elsewhere else ""
    seen = f"seen by the query at {near.place}: {keys}{others}"
    if picture.n_heads == 1 or len(view.heads) == picture.n_heads:
        return seen
    return f"{_heads(view.heads, picture)}, {seen}"


def _near_step(near: Neighbourhood) -> float:
    """Inches of a cell of the grid."""
    rows, columns = len(near.planes[0]), len(near.planes[0][0])
    room = 3.0 if len(near.planes) == 1 else 1.4
    return max(2, round(min(room / max(rows, columns), 0.3) * DPI)) / DPI


def _draw_panel(axes: Any, picture: Picture, panel: Panel) -> None:
    rows, columns = panel.kinds.shape
    right, bottom = columns * picture.cell, rows * picture.cell
    axes.imshow(
        panel.kinds,
        cmap=ListedColormap([COLORS[kind] for kind in sorted(COLORS)]),
        vmin=ABSENT,
        vmax=FULL,
        interpolation="none",
        extent=(0, right, bottom, 0),
        aspect="auto",
    )
    for limit, lines in ((right, axes.axvline), (bottom, axes.axhline)):
        if limit / picture.block <= MOST_LINES:
            for at in range(picture.block, limit, picture.block):
                lines(at, color="black", alpha=0.13, linewidth=0.5)
    wide, high = _panel_size(picture)
    axes.set_xticks(_ticks(picture.n_k, picture.block, wide))
    axes.set_yticks(_ticks(picture.n_q, picture.block, high))
    axes.tick_params(length=2.5, width=0.6, pad=2, labelsize=7, top=True, bottom=False)
    axes.tick_params(axis="x", labeltop=True, labelbottom=False)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("key", labelpad=3)
    axes.set_ylabel("query", labelpad=3)
    if picture.n_heads > 1:
        _headline(axes, _headline_of(panel, picture))


def _headline_of(panel: Panel, picture: Picture) -> str:
    names = _heads(panel.heads, picture)
    return names if panel.density is None else f"{names}: {panel.density:.1%} kept"


def _heads(heads: tuple[int, ...], picture: Picture) -> str:
    if len(heads) == picture.n_heads:
        return f"all {picture.n_heads} heads"
    names = ", ".join(map(str, heads))
    return f"head {names}" if len(heads) == 1 else f"heads {names}"


def _ticks(n: int, block: int, inches: float) -> list[int]:
    """Places of ticks at borders of tiles, not too near each other."""
    step = block
    while n / step * 0.5 > inches:
        step *= 2
    return list(range(0, n + 1, step))


def _draw_near(place: Any, x: float, y: float, near: Neighbourhood, headline: str) -> None:
    step = _near_step(near)
    colors = ListedColormap([COLORS[ABSENT], SEEN])
    for i, plane in enumerate(near.planes):
        rows, columns = len(plane), len(plane[0])
        axes = place(x + i * (columns * step + 0.2), y, columns * step, rows * step)
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        grid = numpy.array(plane, numpy.uint8)
        axes.imshow(
            grid, cmap=colors, vmin=0, vmax=1, interpolation="none", extent=extent, aspect="auto"
        )
        for limit, lines in ((columns, axes.axvline), (rows, axes.axhline)):
            for at in range(1, limit if limit <= MOST_LINES else 0):
                lines(at - 0.5, color="black", alpha=0.08, linewidth=0.4)
        if near.query and near.query[0] == i:
            corner = (near.query[2] - 0.5, near.query[1] - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, facecolor=QUERY, edgecolor="white", lw=0.6))
        axes.tick_params(length=2.5, width=0.6, pad=2, labelsize=7, top=True, bottom=False)
        axes.tick_params(axis="x", labeltop=True, labelbottom=False)
        axes.set_xticks(_ticks(columns - 1, 1, columns * step))
        axes.set_yticks(_ticks(rows - 1, 1, rows * step) if i == 0 else [])
        axes.xaxis.set_label_position("top")
        plane = f", {near.axes[0]} = {i}" if near.axes[0] else ""
        axes.set_xlabel(near.axes[2] + plane, labelpad=3)
        if i == 0:
            axes.set_ylabel(near.axes[1], labelpad=3)
            _headline(axes, headline)


def _headline(axes: Any, text: str) -> None:
    """A title above the ticks and the name of the horizontal axis."""
    axes.annotate(
        text,
        (0, 1),
        xytext=(0, 28),
        xycoords="axes fraction",
        textcoords="offset points",
        size=8,
        weight="bold",
    )


def _legend_columns(width: float) -> int:
    return 4 if width > 9.5 else 2


def _draw_legend(figure: Figure, width: float, height: float, picture: Picture) -> None:
    handles = [
        Patch(facecolor=COLORS[kind], edgecolor=FAINT, linewidth=0.4, label=text)
        for kind, text in LEGEND.items()
    ]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(LEFT / width, 0.05 / height),
        ncols=_legend_columns(width),
        frameon=False,
        fontsize=7.5,
        handlelength=1.0,
        handleheight=1.0,
        borderaxespad=0,
        borderpad=0.2,
        columnspacing=1.6,
    )
