"""The canonical form of host names."""

from random import Random

import pytest
from django.core.exceptions import ValidationError

from tenancy.hosts import canonical_host

LONGEST = ".".join(["a" * 63] * 3 + ["a" * 61])
"""A name of 253 characters, which is what DNS allows."""


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
        ("xn--Bcher-Kva.EXAMPLE.:8000", "xn--bcher-kva.example"),
        ("b\u0075\u0308cher.example", "xn--bcher-kva.example"),
        # As browsers do it, not as Python's own codec, for which it is another customer's strasse.example.
        ("straße.example", "xn--strae-oqa.example"),
        ("ａｃｍｅ.example", "acme.example"),
        ("acme。example", "acme.example"),
        ("acme．example．", "acme.example"),
        ("ac\u200bme.example", "acme.example"),
        ("r3---sn.example", "r3---sn.example"),
        ("127.0.0.1", "127.0.0.1"),
        (" acme.example ", "acme.example"),
        ("localhost", "localhost"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        (LONGEST, LONGEST),
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
        "[::1]:80",
        "::1",
        "my_acme.example",
        "acme.example:٣",
        "acme.example：80",
        "ac\u200dme.example",
        "xn--a.example",
        "xn--acme-.example",
        "xn--.example",
        "a\u2024b.example",
        "acme.example。。",
        "*.acme.example",
        "-acme.example",
        "acme-.example",
        "a" * 64 + ".example",
        "a.example\n.b",
        "a.example\x00",
        f"{LONGEST}a",
    ],
)
def test_no_host(given: str) -> None:
    """What is no host name is refused."""
    with pytest.raises(ValidationError, match="is not a valid host name") as caught:
        canonical_host(given)
    assert caught.value.code == "invalid"


def test_the_form_is_its_own_whatever_is_given() -> None:
    """Of 20,000 heaps of odd characters each is refused, or has a form that is lower case and its own."""
    draw = Random(1)
    for _ in range(20_000):
        letters = draw.choices("abzA0-..:xn--üßıİ。．\u200b\u200d١א[]@ \x00é中ﬁ", k=draw.randint(0, 14))
        given = draw.choice(("", "xn--")) + "".join(letters)
        try:
            canonical = canonical_host(given)
        except ValidationError:
            continue
        assert canonical == canonical.lower() == canonical_host(canonical)
