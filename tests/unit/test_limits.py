"""Each limit holds to the byte, and what is over it is told with its size."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refold import Limits, TooLarge

LIMITS = Limits(event_bytes=20, metadata_bytes=10, batch_events=3, batch_bytes=30, depth=2)


def test_what_is_just_at_a_limit_is_taken() -> None:
    LIMITS.check_event("a", b'{"k":"............"}', b"." * 10)
    LIMITS.check_event("a", b'{"k":[{"k":1}]}', b"")
    LIMITS.check_batch([10, 10, 10])


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (
            lambda: LIMITS.check_event("a", b"." * 21, b""),
            {"what": "the data of event 'a', in bytes,", "actual": 21, "limit": 20, "setting": "event_bytes"},
        ),
        (
            lambda: LIMITS.check_event("a", b"", b"." * 11),
            {"what": "the metadata of event 'a', in bytes,", "actual": 11, "limit": 10, "setting": "metadata_bytes"},
        ),
        (
            lambda: LIMITS.check_event("a", b'{"k":[[[]],[]]}', b""),
            {"what": "the data of event 'a', in levels of nesting,", "actual": 3, "limit": 2, "setting": "depth"},
        ),
        (
            lambda: LIMITS.check_event("a", b'{"":{"":{"":{}}}}', b""),
            {"what": "the data of event 'a', in levels of nesting,", "actual": 3, "limit": 2, "setting": "depth"},
        ),
        (
            lambda: LIMITS.check_event("a", b'{"":[[]],"k":[[[]]]}', b""),
            {"what": "the data of event 'a', in levels of nesting,", "actual": 3, "limit": 2, "setting": "depth"},
        ),
        (
            lambda: LIMITS.check_event("a", b'{"":[[],[[]]]}', b""),
            {"what": "the data of event 'a', in levels of nesting,", "actual": 3, "limit": 2, "setting": "depth"},
        ),
        (
            lambda: LIMITS.check_batch([1, 1, 1, 1]),
            {"what": "one append, in events,", "actual": 4, "limit": 3, "setting": "batch_events"},
        ),
        (
            lambda: LIMITS.check_batch([15, 16]),
            {"what": "one append, in bytes of data,", "actual": 31, "limit": 30, "setting": "batch_bytes"},
        ),
    ],
    ids=[
        "event",
        "metadata",
        "depth",
        "depth of objects",
        "depth after others",
        "depth beside another",
        "events of a batch",
        "bytes of a batch",
    ],
)
def test_what_is_over_a_limit_is_refused(check: Callable[[], None], told: dict[str, object]) -> None:
    with pytest.raises(TooLarge) as refused:
        check()
    assert vars(refused.value) == told


@pytest.mark.parametrize(
    "data",
    [b'{"k":"[[[["}', b'{"k":[],"l":[]}', b'{"k":"\\"[[[["}', b'{"k":[1],"l":[{}]}', b'{"k":"","l":"[[["}'],
)
def test_only_brackets_that_stand_in_each_other_are_levels(data: bytes) -> None:
    Limits(depth=2).check_event("a", data, b"")


def test_the_limits_of_a_store_are_these_unless_others_are_given() -> None:
    assert Limits() == Limits(1 << 20, 1 << 16, 1_000, 8 << 20, 64)
