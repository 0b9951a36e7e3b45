"""One tenant asks for nothing but slow statements, fifty at a time, while clients ask for others: these are served as
before, and the noisy one is answered 503 where it asks for more than it may have.
"""

import time
from contextlib import ExitStack

import pytest

from tests.chaos.crowd import Crowd, longest_ms, p95_ms, statuses, until
from tests.isolation.conftest import Towns, towns  # noqa: F401  # a fixture
from tests.serving import serving

pytestmark = pytest.mark.slow

THREADS = 8
LIMITS = {"MAX_CONCURRENT_REQUESTS": 3, "STATEMENT_TIMEOUT_S": 1}


def ask_beside_noise(
    slugs: list[str], limits: dict[str, object], *, before_s: float, during_s: float, least_ms: float
) -> Crowd:
    """Ask for quiet tenants before the first of all begins, and while it is at it.

    Args:
        slugs: the noisy one's, and the others'.
        limits: settings in TENANCY.
        before_s: how long to ask before, in seconds.
        during_s: and meanwhile.
        least_ms: a p95 that is no fault, whatever it was before: other programs run on the same machine. Without limits
            the others wait for seconds.

    Returns:
        What the noisy one got.
    """
    noisy, *quiet = slugs
    with serving("gunicorn", threads=THREADS, LISTEN=True, **limits) as site, ExitStack() as stack:
        others = stack.enter_context(Crowd(site, quiet, 4))
        until(lambda: len(others.answers) > 40, 60)
        begun = time.monotonic()
        time.sleep(before_s)
        struck = time.monotonic()
        noise = stack.enter_context(Crowd(site, [noisy], 50, ("/slow-query/?s=5",), pause_s=1))
        time.sleep(during_s)
        ended = time.monotonic()
        stack.close()
    before, during = others.between(begun, struck), others.between(struck, ended)
    print(
        f"\nlimits {limits}: of others {len(before)} before, p95 {p95_ms(before):.0f} ms; {len(during)} during, "
        f"{statuses(during)}, p95 {p95_ms(during):.0f} ms, longest {longest_ms(during):.0f} ms; of the noisy one "
        f"{statuses(noise.answers)}, longest {longest_ms(noise.answers):.0f} ms"
    )
    assert [answer for crowd in (others, noise) for answer in crowd.answers if not answer.right] == []
    if limits:
        assert {answer.status for answer in during} == {200}
        assert p95_ms(during) < max(2 * p95_ms(before), least_ms)
    else:
        assert p95_ms(during) > 10 * p95_ms(before)
    return noise


def test_noisy(towns: Towns) -> None:  # noqa: F811
    """A few seconds."""
    slugs = [tenant.slug for tenant in towns(4)]
    noise = ask_beside_noise(slugs, LIMITS, before_s=1.5, during_s=4, least_ms=1000)
    assert {answer.status for answer in noise.answers} == {503}
    assert longest_ms(noise.answers) < 2000


@pytest.mark.long
def test_noisy_at_length(towns: Towns) -> None:  # noqa: F811
    """A minute; and without limits, when the others wait for the noisy one's statements."""
    slugs = [tenant.slug for tenant in towns(20)]
    noise = ask_beside_noise(slugs, LIMITS, before_s=20, during_s=40, least_ms=50)
    assert {answer.status for answer in noise.answers} == {503}
    assert longest_ms(noise.answers) < 2000
    ask_beside_noise(slugs, {}, before_s=5, during_s=20, least_ms=0)
