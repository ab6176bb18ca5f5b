"""Stories as swim lanes: lanes by stream, hops by cause, and processes as edges in between."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from refold.messages import Metadata, Position, RawEvent, Recorded, StreamName
from refold.stories import story_of
from refold.studio.lanes import picture

BEGAN = datetime(2025, 3, 3, 9, tzinfo=UTC)


def happened(
    number: int, stream: str, type: str, cause: int | None = None, free: Mapping[str, str] | None = None
) -> Recorded[RawEvent]:
    """The event with this number, a second after the one before it."""
    known = Metadata("s", None if cause is None else str(UUID(int=cause)), free=free or {})
    at = BEGAN + timedelta(seconds=number)
    data = RawEvent(type, {})
    return Recorded(
        data, type, 1, StreamName.parse(stream), 1, Position(number), at, UUID(int=number), frozenset(), known
    )


def by_command(name: str, cause: int | None = None) -> Mapping[str, str]:
    """The free keys of an event of a command."""
    return {"$command": name, **({} if cause is None else {"$cause": str(UUID(int=cause))})}


STORY = (
    happened(1, "order-1", "opened", 101, by_command("open")),
    happened(2, "order-1", "placed", 102, by_command("place", 1)),
    happened(3, "$process.fulfilment-1", "$process.reacted", 2),
    happened(4, "$process.fulfilment-1", "$process.sent", 2),
    happened(5, "stock-cup", "reserved", 103, by_command("reserve", 4)),
    happened(6, "$process.fulfilment-1", "overdue", 3),
    happened(7, "$process.fulfilment-1", "$process.sent", 6),
    happened(8, "order-1", "cancelled", 104, by_command("cancel", 7)),
)


def test_events_stand_in_lanes_by_stream_and_in_hops_by_cause() -> None:
    story = story_of(STORY)
    lanes = [
        (lane.stream, [(card.hop, [entry.type for entry in card.entries]) for card in lane.cards])
        for lane in story.lanes
    ]
    assert lanes == [
        ("order-1", [(0, ["opened", "placed"]), (1, ["cancelled"])]), ("stock-cup", [(1, ["reserved"])]),
    ]  # fmt: skip
    assert (story.hops, story.depth, story.commands, story.duration) == (2, 3, 4, timedelta(seconds=7))


def test_what_a_process_sent_is_an_edge_from_what_it_reacted_to() -> None:
    edges = [(UUID(each.source).int, UUID(each.target).int, each.by) for each in story_of(STORY).edges]
    assert edges == [(1, 2, ""), (2, 5, "fulfilment"), (2, 8, "fulfilment")]


def test_an_event_lights_all_that_led_to_it_and_all_that_it_led_to() -> None:
    spots = {
        spot.entry.type: spot for box in picture(story_of(STORY)).lanes for card in box.cards for spot in card.spots
    }
    paths = {type: sorted(UUID(key).int for key in spot.path) for type, spot in spots.items()}
    assert paths == {"opened": [1, 2, 5, 8], "placed": [1, 2, 5, 8], "reserved": [1, 2, 5], "cancelled": [1, 2, 8]}


def test_edges_are_drawn_between_cards_and_lanes_do_not_overlap() -> None:
    drawn = picture(story_of(STORY))
    bounds = [(box.y, box.y + box.height) for box in drawn.lanes]
    assert [(UUID(each.source).int, UUID(each.target).int) for each in drawn.curves] == [(2, 5), (2, 8)]
    assert all(below <= above for (_, below), (above, _) in pairwise(bounds))
    assert drawn.height > bounds[-1][1]


def test_causes_in_a_circle_come_to_an_end() -> None:
    circle = [happened(1, "$process.p-1", "a", 2), happened(2, "$process.p-1", "b", 1), happened(3, "order-1", "c", 2)]
    assert [(entry.type, entry.cause, entry.by) for entry in story_of(circle).entries] == [("c", "", "p")]


def test_no_events_are_a_story_without_lanes() -> None:
    story = story_of(())
    assert (story.lanes, story.edges, story.duration) == ((), [], timedelta())
