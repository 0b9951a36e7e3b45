"""The page's plots, as SVG. The same figures make the same file; the ink is readable on light and on dark paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

__all__ = ["COLORS", "bars", "curves"]

COLORS = {
    "limit": "#8c8c8c",
    "plain": "#8c8c8c",
    "ours": "#3b8bd6",
    "tenants": "#d9822b",
    "pgschemas": "#2f9e6e",
}
"""Of a contender, everywhere."""

_INK = "#808080"
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "django-schemas-tenancy",
    # Text stays text: it is found, read aloud, and takes the reader's font.
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _INK,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}

Bar = tuple[str, str, float]
"""A label, a contender, a value."""

Curve = tuple[str, str, Mapping[int, float]]
"""A label, a contender, and values by number of schemas."""


def bars(path: Path, panels: Mapping[str, Sequence[Bar]], unit: str) -> None:
    """Draw bars, a panel beside the other, on a logarithmic scale that all share."""
    with mpl.rc_context(_STYLE):
        highest = max(len(panel) for panel in panels.values())
        canvas = Canvas(figsize=(9, 1.2 + 0.32 * highest))
        axes = canvas.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for axis, (title, panel) in zip(axes, panels.items(), strict=True):
            labels = [label for label, _, _ in panel]
            values = [value for _, _, value in panel]
            drawn = axis.barh(labels, values, color=[COLORS[name] for _, name, _ in panel], height=0.65)
            axis.bar_label(drawn, [f" {_number(value)}" for value in values], color=_INK, fontsize=9)
            axis.set_xscale("log")
            axis.margins(x=0.25)
            axis.set_title(title, loc="left")
            axis.set_xlabel(f"{unit}, logarithmic")
        axes[0].invert_yaxis()
        _save(canvas, path)


def curves(path: Path, panels: Mapping[str, Sequence[Curve]], unit: str, *, logarithmic: bool) -> None:
    """Draw curves over the number of schemas, a panel beside the other."""
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(9, 3.6))
        axes = canvas.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (title, panel) in zip(axes, panels.items(), strict=True):
            for label, name, points in panel:
                dashed = "--" if "two" in label else "-"
                x, y = list(points), list(points.values())
                axis.plot(x, y, dashed, color=COLORS[name], marker="o", markersize=4, label=label)
            if logarithmic:
                axis.set_yscale("log")
                axis.set_xscale("log")
                axis.set_xticks(list(panel[0][2]), [f"{size:,}" for size in panel[0][2]])
                axis.minorticks_off()
            else:
                axis.set_ylim(bottom=0)
            axis.grid(visible=True, axis="y")
            axis.set_title(title, loc="left")
            axis.set_xlabel("schemas")
        axes[0].set_ylabel(unit)
        labels = axes[0].get_legend_handles_labels()
        canvas.legend(*labels, loc="lower center", ncols=len(labels[0]), bbox_to_anchor=(0.5, -0.08))
        _save(canvas, path)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _save(canvas: Canvas, path: Path) -> None:
    canvas.tight_layout()
    path.parent.mkdir(exist_ok=True)
    canvas.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})
