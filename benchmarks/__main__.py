"""`python -m benchmarks`: measure, print, and write JSON and a page if asked. `make bench BENCH_ARGS=...` calls it."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .arena import installed_peers
from .facts import facts
from .figures import PEERS, Figure
from .report import Report, lines
from .scale_page import write_scale_page
from .schedule import ALONE, PARTS, QUICK, Schedule, run

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    """Run the measurements, or read those of an earlier run."""
    options = _parser().parse_args()
    found = json.loads(options.read.read_text()) if options.read else _measured(options)
    if options.page:
        _write_pages(found["facts"], [Figure.from_row(row) for row in found["figures"]])


def _write_pages(facts: dict[str, str], figures: list[Figure]) -> None:
    """Write the page of what was measured, or both."""
    scale = [figure for figure in figures if figure.part.startswith(ALONE)]
    if scale:
        write_scale_page(DOCS / "scale.md", facts, Report(scale))
    if len(scale) < len(figures):
        # Needs matplotlib, which nothing else does.
        from .page import write_page

        write_page(DOCS / "benchmarks.md", facts, [figure for figure in figures if figure not in scale])


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, and write JSON if asked: also of a run that fails, up to there."""
    start_s = time.monotonic()
    figures: list[Figure] = []
    try:
        _tell(run(_schedule(options)), figures)
    finally:
        minutes = f"{(time.monotonic() - start_s) / 60:.0f} minutes"
        found = {"facts": {**facts(), "duration": minutes}, "figures": [figure.as_row() for figure in figures]}
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("make bench", description="Measure; print medians, and ratios to the limit.")
    parts = (*PARTS, ALONE)
    parser.add_argument("--only", nargs="+", choices=parts, metavar="PART", help=f"of {', '.join(parts)}")
    parser.add_argument("--schemas", nargs="+", type=int, metavar="N", help="measure with so many schemas")
    parser.add_argument("--tenants", type=int, metavar="N", help=f"of {ALONE}: in all; 10,000, or 100 with --quick")
    parser.add_argument("--clusters", type=int, metavar="N", help=f"of {ALONE}: servers; 5, or 2 with --quick")
    parser.add_argument("--repeats", type=int, metavar="N", help="rounds; 3, or 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="everything small: minutes, and rough figures")
    parser.add_argument("--without-peers", action="store_true", help="compare with the limit alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--page", action="store_true", help="write the page of it, and its plots: see docs/")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing: take the figures of --json FILE")
    return parser


def _schedule(options: argparse.Namespace) -> Schedule:
    schedule = QUICK if options.quick else Schedule()
    if options.schemas:
        schedule = schedule.at(options.schemas)
    peers = [] if options.without_peers else installed_peers()
    for missing in set(PEERS) - set(peers):
        print(f"{PEERS[missing]} takes no part.", file=sys.stderr)
    return replace(
        schedule,
        parts=options.only or schedule.parts,
        repeats=options.repeats or schedule.repeats,
        tenants=options.tenants or schedule.tenants,
        clusters=options.clusters or schedule.clusters,
        peers=peers,
    )


def _tell(figures: Iterable[Figure], told: list[Figure]) -> None:
    """Print figures as they come, and add them to a list: those of a part and a size together, for their ratios."""
    group: list[Figure] = []
    for figure in figures:
        if group and (group[0].part, group[0].schemas) != (figure.part, figure.schemas):
            print("\n".join(lines(group)), flush=True)
            group.clear()
        group.append(figure)
        told.append(figure)
    print("\n".join(lines(group)), flush=True)


if __name__ == "__main__":
    main()
