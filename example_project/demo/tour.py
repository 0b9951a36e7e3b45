"""What a member of a help desk's team does in a day: every kind of page once, every page of the lists."""

import json
import re
from dataclasses import dataclass

from ..accounts import owner_of
from .visitor import Unexpected, Visit, Visitor

API = "/api/tickets/"


@dataclass(frozen=True)
class Seen:
    """What was shown on a tour.

    Attributes:
        tickets: References of the tickets in the list.
        customers: E-mail addresses in the list of customers.
        found_by_api: How many tickets the JSON endpoint counts.
        visits: All requests.
    """

    tickets: frozenset[str]
    customers: frozenset[str]
    found_by_api: int
    visits: tuple[Visit, ...]


def tour(port: int, base: str, witness: str, password: str, api_key: str) -> Seen:
    """Log in, look at everything and answer a ticket; let a script, at the bare domain, read JSON.

    Args:
        port: The server's.
        base: The bare domain.
        witness: The word that stands in every row, and the tenant's slug where there are tenants.
        password: The owner's.
        api_key: A key of the JSON endpoint.
    """
    visitor, script = Visitor(port, f"{witness}.{base}"), Visitor(port, base)
    visitor.log_in(owner_of(witness), password)
    visitor.get("dashboard", "/")
    tickets = pages(visitor, "ticket list", "/tickets/")
    customers = pages(visitor, "customer list", "/customers/")
    visitor.get("search", "/tickets/?q=the&status=solved")
    visitor.get("tickets of a tag", f"/tickets/?tag={witness}-billing")
    ticket = first(r'href="(/tickets/\d+/)"', tickets)
    visitor.get("ticket", ticket)
    visitor.submit("reply", ticket, {"body": f"Read and answered, {witness}", "status": "pending"})
    visitor.get("customer", first(r'href="(/customers/\d+/)"', customers))
    visitor.get("new ticket", "/tickets/new/")
    visitor.get("back office", "/admin/")
    visitor.get("back office: tickets", "/admin/helpdesk/ticket/")
    found = script.get("JSON", API, headers=key_headers(witness, api_key))
    return Seen(
        tickets=frozenset(re.findall(rf"\b{witness}-\d{{4}}\b", tickets)),
        customers=frozenset(re.findall(rf"[\w-]+@{witness}-customers\.test", customers)),
        found_by_api=json.loads(found.body)["found"],
        visits=(*visitor.visits, *script.visits),
    )


def first(pattern: str, text: str) -> str:
    """Return what the pattern's group finds first.

    Raises:
        Unexpected: It finds nothing.
    """
    found = re.search(pattern, text)
    if found is None:
        raise Unexpected(f"a page shows nothing like {pattern}")
    return found[1]


def key_headers(slug: str, api_key: str) -> dict[str, str]:
    """Return the headers with which a script names a tenant and shows that it may."""
    return {"X-Tenant": slug, "Authorization": f"Bearer {api_key}"}


def pages(visitor: Visitor, label: str, path: str) -> str:
    """Turn over all pages of a list, and return all that they showed."""
    shown = [visitor.get(label, path).body]
    while following := re.search(r'rel="next" href="([^"]+)"', shown[-1]):
        shown.append(visitor.get(f"{label}, page {len(shown) + 1}", path + following[1]).body)
    return "\n".join(shown)
