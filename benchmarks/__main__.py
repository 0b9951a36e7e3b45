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
from .report import lines
from .schedule import PARTS, QUICK, Schedule, run

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    """Run the measurements, or read those of an earlier run."""
    options = _parser().parse_args()
    found = json.loads(options.read.read_text()) if options.read else _measured(options)
    if options.page:
        # Needs matplotlib, which nothing else does.
        from .page import write_page

        write_page(PAGE, found["facts"], [Figure.from_row(row) for row in found["figures"]])
        print(f"{PAGE.relative_to(Path.cwd())} is written.")


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
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--schemas", nargs="+", type=int, metavar="N", help="measure with so many schemas")
    parser.add_argument("--repeats", type=int, metavar="N", help="rounds; 3, or 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="everything small: minutes, and rough figures")
    parser.add_argument("--without-peers", action="store_true", help="compare with the limit alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md and its plots")
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
