"""Contract: one grammar of names on every backend, and no name is mistaken for another."""

from __future__ import annotations

from typing import Final

import pytest

from refold.aio import AsyncStore
from refold.errors import InvalidName
from refold.messages import StreamName
from refold.query import Query
from refold.testing.contract.base import Contract, listed
from refold.testing.contract.sample import Noted, fact, notes

NASTY: Final = (
    "a", "A", "a ", " a", "a b", "a  b", "1", "01", "1.0", "-", "--", "a-b", "a--b", "a.b", "a/b", "../a", "a\\b", "a:b",
    "a,b", "a;b", "a|b", "a*", ">", "a.>", "%", "a%", "a_", "a%41", "?", "a&b=c", "#", "$a", "'", "''", '"', "`", "[a]", "{a}",
    "null", "None", "true", "nan", "'; drop table events; --", "ä", "a\u0308", "Ä", "ß", "ss", "İ", "i\u0307", "日本", "\u200d",
    "👩‍👩‍👧", "🦊", "e\u0301", "é", "\u00a0a", "\u0661", "x" * 195,
)  # fmt: skip

REFUSED: Final = (
    "", "note", "note-", "-1", "-", " ", "note-\x00", "note-a\nb", "note-\t", "note-\x7f", "note-\x85", "note-\u2028",
    "note-\u202eabc", "note-\u2066", "note-\ud800", "note-\uffff", "n" * 199 + "-1", "note-" + "x" * 196, "no\nte-1",
)  # fmt: skip


class Names(Contract):
    """Stream names, types and tags."""

    async def test_every_name_of_the_grammar_is_one_stream_of_its_own(self, store: AsyncStore) -> None:
        for id in NASTY:
            await store.append(StreamName("note", id), [Noted(id)])

        for id in NASTY:
            assert [(e.stream, e.data.text) for e in await listed(store.read(f"note-{id}"))] == [
                (StreamName("note", id), id)
            ]
            assert await store.bind(notes).state(id) == (id,)
            assert id in {s.stream.removeprefix("note-") async for s in store.streams(f"note-{id}")}
        assert [s.stream async for s in store.streams()] == sorted(f"note-{id}" for id in NASTY)

    async def test_a_category_is_any_text_without_a_dash(self, store: AsyncStore) -> None:
        categories = [text for text in NASTY if "-" not in text and not text.startswith("$")]
        for category in categories:
            await store.append(StreamName(category, "1"), [Noted(category)])
        for category in categories:
            assert [e.data.text for e in await listed(store.read(category=category))] == [category]
        assert (await store.stats()).categories == dict.fromkeys(categories, 1)

    async def test_types_and_tags_share_the_grammar(self, store: AsyncStore) -> None:
        for name in NASTY:
            await store.append("a-1", [fact(name, name)])
        for name in NASTY:
            for query in (Query.of(types=[name]), Query.of(tags=[name]), Query.of(types=[name], tags=[name])):
                assert [(e.type, e.tags) for e in await listed(store.read(query=query))] == [(name, {name})]

    @pytest.mark.parametrize("name", REFUSED)
    async def test_other_names_are_refused_and_nothing_is_written(self, store: AsyncStore, name: str) -> None:
        with pytest.raises(InvalidName):
            await store.append(name, [Noted("a")])
        with pytest.raises(InvalidName):
            store.read(name)
        assert await store.head() == 0

    @pytest.mark.parametrize("name", [None, 7, b"note-1", ("note", "1")])
    async def test_a_name_is_text(self, store: AsyncStore, name: object) -> None:
        with pytest.raises(InvalidName, match="must be text"):
            await store.append(name, [Noted("a")])  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - the mistake under test

    @pytest.mark.parametrize("tag", ["", " ", "a\nb", "t" * 201, "\ud800"])
    async def test_other_tags_are_refused(self, store: AsyncStore, tag: str) -> None:
        with pytest.raises(InvalidName, match="is not a tag"):
            await store.append("a-1", [fact("X", tag)])
        with pytest.raises(InvalidName, match="is not a tag"):
            Query.of(tags=[tag])
        assert await store.head() == 0

    async def test_categories_that_begin_with_a_dollar_are_the_stores_own(self, store: AsyncStore) -> None:
        with pytest.raises(InvalidName, match="kept for Refold's own streams"):
            await store.append("$own-1", [Noted("a")])
        assert await store.head() == 0
