"""The canonical form of host names."""

import pytest
from django.core.exceptions import ValidationError

from tenancy.hosts import canonical_host


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("acme.example", "acme.example"),
        ("ACME.Example", "acme.example"),
        ("acme.example.", "acme.example"),
        ("acme.example:8000", "acme.example"),
        ("acme.example.:443", "acme.example"),
        ("acme.example:", "acme.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1"),
        (" acme.example ", "acme.example"),
        ("localhost", "localhost"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_one_form(given: str, canonical: str) -> None:
    """However a host is spelt, there is one form of it, which is its own."""
    assert canonical_host(given) == canonical
    assert canonical_host(canonical) == canonical


@pytest.mark.parametrize(
    "given",
    [
        "",
        ".",
        "acme..example",
        "acme.example..",
        ".acme.example",
        "acme example",
        "acme.example/path",
        "http://acme.example",
        "user@acme.example",
        "acme.example:port",
        "acme.example:80:80",
        "[::1]",
        "*.acme.example",
        "-acme.example",
        "acme-.example",
        "a" * 64 + ".example",
        "a.example\n.b",
        "a.example\x00",
        ".".join(["a" * 60] * 5),
    ],
)
def test_no_host(given: str) -> None:
    """What is no host name is refused."""
    with pytest.raises(ValidationError):
        canonical_host(given)
