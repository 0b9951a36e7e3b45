"""The example to click through: `python -m example_project.serve`, then http://localhost:8000/."""

import argparse
import os
from pathlib import Path

import django
import uvicorn
from django.core.management import call_command

from .accounts import DOMAINS, IN_THE_MAKING, PASSWORD, PAUSED, STAFF, owner_of

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Start PostgreSQL, migrate, make the tenants that are missing, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser("python -m example_project.serve", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    prepare(port)
    # Pages that are open hold a stream each, which ends with nobody's patience but ours.
    uvicorn.run(
        "example_project.asgi:application",
        port=port,
        reload=True,
        reload_dirs=[str(ROOT / name) for name in ("django_schemas", "example_project", "tenancy")],
        lifespan="off",
        timeout_graceful_shutdown=1,
    )


def prepare(port: int) -> None:
    """Make what is missing, and print where to click."""
    from tools.postgres import ensure

    os.environ.update(ensure().environment)
    django.setup()
    call_command("migrate", verbosity=0)
    from .seed import make_staff, make_tenants  # It needs the models.

    make_staff(STAFF)
    places = {
        f"http://localhost:{port}/": "the public site: sign-up makes a tenant",
        f"http://localhost:{port}/admin/": f"the platform's admin: log in as {STAFF}",
    }
    for tenant in make_tenants():
        places[f"http://{tenant.slug}.localhost:{port}/"] = f"{tenant.name}: log in as {owner_of(tenant.slug)}"
        if tenant.slug in DOMAINS:
            places[f"http://{DOMAINS[tenant.slug]}:{port}/"] = f"{tenant.name} again, at a domain of its own"
    places |= {
        f"http://{PAUSED}.localhost:{port}/": "suspended: 403. The platform's admin can resume it",
        f"http://{IN_THE_MAKING}.localhost:{port}/": "not made yet: 503. The platform's admin can go on with it",
        f"http://nobody.localhost:{port}/": "unknown: 404",
    }
    width = max(map(len, places))
    print()
    for url, meaning in places.items():
        print(f"  {url:<{width}} {meaning}")
    print(f"\n  The password is always {PASSWORD}. Each tenant has a back office at /admin/.\n")


if __name__ == "__main__":
    main()
