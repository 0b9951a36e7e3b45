"""`python -m benchmarks [--json FILE]`: run the measurements, print a table."""

import argparse
import json
import os
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    django.setup()
    from . import memory, orm

    rows = []
    print(f"{'':24}{'plain':>10}{'ours':>10}{'ratio':>8}   statements")
    for row in orm.measure():
        us, statements = row["us"], row["statements"]
        print(
            f"{row['task']:24}{us['plain']:7.0f} us{us['ours']:7.0f} us{row['ratio']:8.3f}   "
            f"{statements['plain']} / {statements['ours']}"
        )
        rows.append(row)
    print(f"\nMemory that reading one row in each of {memory.SCHEMAS:,} schemas adds:")
    for what, mb in memory.measure():
        print(f"{what:24}{mb:7.2f} MB")
        rows.append({"task": f"memory, {what}", "mb": mb})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
