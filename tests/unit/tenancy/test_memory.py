"""What a process remembers: by tenant, bounded, never what was read before a change."""

from time import monotonic

from tenancy.memory import Answer, Memory

HOOLI, OTHER, NOBODY = ("slug", "hooli"), ("slug", "other"), ("slug", "nobody")


def remembering() -> Memory:
    memory = Memory()
    for key, tenant in ((HOOLI, 1), (OTHER, 2), (NOBODY, None)):
        memory.remember(key, Answer(tenant, tenant, monotonic()), memory.changes, 10)
    return memory


def fresh(memory: Memory) -> list[bool]:
    return [memory.fresh(key, 60) is not None for key in (HOOLI, OTHER, NOBODY)]


def test_forgets_one_tenant_and_what_was_missing() -> None:
    """A change of a tenant may have made exist what did not; it says nothing of other tenants."""
    memory = remembering()
    memory.forget(1)
    assert fresh(memory) == [False, True, False]
    assert memory.stale(HOOLI, 60) is None


def test_a_doubt_is_news() -> None:
    """Who asks again when there are news does so where a change may have been missed; what is being asked meanwhile is
    remembered, to serve as stale.
    """
    memory = Memory()
    news, changes = memory.news, memory.changes
    memory.doubt_all()
    assert (memory.news > news, memory.changes) == (True, changes)
    memory.forget("hooli")
    assert (memory.news > news + 1, memory.changes > changes) == (True, True)


def test_doubted_answers_serve_as_stale_only() -> None:
    """After a gap in what is heard everything is asked anew; while that can't be done, the old answer serves."""
    memory = remembering()
    memory.doubt_all()
    assert fresh(memory) == [False, False, False]
    assert [memory.stale(key, 60) is not None for key in (HOOLI, OTHER, NOBODY)] == [True, True, True]


def test_what_was_asked_before_a_change_is_not_remembered() -> None:
    """An answer that was on its way while its tenant changed may be the old one."""
    for change in (lambda memory: memory.forget(1), Memory.forget_all):
        memory = Memory()
        changes = memory.changes
        change(memory)
        memory.remember(HOOLI, Answer(1, "old", monotonic()), changes, 10)
        assert (memory.fresh(HOOLI, 60), memory.stale(HOOLI, 60)) == (None, None)


def test_what_was_asked_before_a_doubt_serves_as_stale_only() -> None:
    """An answer that was on its way while changes may have been missed is asked for anew."""
    memory, asked = Memory(), monotonic()
    memory.doubt_all()
    memory.remember(HOOLI, Answer(1, "old", asked), memory.changes, 10)
    assert memory.fresh(HOOLI, 60) is None
    assert memory.stale(HOOLI, 60) is not None


def test_nothing_is_kept_of_what_is_forgotten() -> None:
    """A memory that was emptied tenant by tenant holds nothing."""
    memory = remembering()
    for tenant in (1, 2):
        memory.forget(tenant)
    assert (dict(memory._known), dict(memory._missing), dict(memory._keys)) == ({}, {}, {})


def test_stale_has_an_end() -> None:
    """What is too old serves no more."""
    memory = Memory()
    memory.remember(HOOLI, Answer(1, 1, monotonic() - 10), memory.changes, 10)
    assert (memory.fresh(HOOLI, 5), memory.stale(HOOLI, 5)) == (None, None)
    assert memory.stale(HOOLI, 20) is not None
