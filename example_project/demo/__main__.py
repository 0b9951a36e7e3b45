"""Prepare the stage: packages, PostgreSQL, empty databases, Django. Then let the story be told."""

import os
import sys
import time
from importlib.util import find_spec

NEEDED = {
    "django": "Django",
    "environ": "django-environ",
    "gunicorn": "gunicorn",
    "httpx": "httpx",
    "pgparse": "pgparse",
    "psycopg2": "psycopg2-binary",
    "rich": "rich",
}
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "example_project.settings",
    "DEBUG": "0",
    "STATEMENT_LOG": "",
    "CACHE_TTL_S": "60",
}


def main() -> int:
    """Return the exit status: 0 if all is well, 1 if something is wrong, 2 if a package is missing."""
    missing = [name for module, name in NEEDED.items() if find_spec(module) is None]
    if missing:
        print(f"demo: not installed: {', '.join(missing)}. Run: pip install -e '.[demo]'", file=sys.stderr)
        return 2
    return run()


def run() -> int:
    """Run the demonstration on databases of its own."""
    import django

    from tools.postgres import PostgresError, ensure

    from .databases import InUse, fresh
    from .progress import console, done
    from .server import CommandFailed, ServerDidNotStart
    from .visitor import Unexpected

    started = time.perf_counter()
    try:
        with fresh(done("PostgreSQL is up", ensure)) as urls:
            os.environ.update({**urls, **SETTINGS})
            django.setup()
            from .story import tell  # It needs the models.

            wrong = tell()
    except (PostgresError, InUse, CommandFailed, ServerDidNotStart, Unexpected) as error:
        wrong = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])]
    for complaint in wrong:
        console.print("[bold red]wrong:[/]", end=" ")
        console.print(complaint, markup=False)
    if wrong:
        return 1
    console.print(f"[bold green]All is well[/], after {time.perf_counter() - started:.1f} s.")
    console.print("To click through it yourself: [bold]make serve[/], then open http://localhost:8000/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
