"""Personal fields: found in classes of every kind, sealed by whose they are, refused where that is not said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import attrs
import msgspec
import pydantic
import pytest

from refold import Personal, RawEvent, Store, StoreUnreachable, UsageError, command, event, upcast
from refold.codec import Codec
from refold.keys.opening import sealing_at
from refold.personal import SEALED, personal_fields


@event("a.plain", subject="who")
class Plain:
    who: str
    mail: Personal[str]


@event("a.attrs", subject="who")
@attrs.frozen
class Attrs:
    who: str
    mail: Personal[str]


@event("a.struct", subject="who")
class Struct(msgspec.Struct, frozen=True, rename="camel"):
    who: str
    home_mail: Personal[str]


@event("a.model", subject="who")
class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    who: str
    mail: Personal[str]


@event("a.named", subject=lambda told: told.who)
class Named:
    who: str
    mail: Personal[str]


class Address(msgspec.Struct, frozen=True):
    street: str
    number: int


@event("a.nested", subject=lambda told: f"person:{told.who}")
class Nested:
    who: str
    address: Personal[Address]


EVENTS: list[Any] = [
    Plain("x", "x@y.z"),
    Attrs("x", "x@y.z"),
    Struct("x", "x@y.z"),
    Model(who="x", mail="x@y.z"),
    Nested("x", Address("High Street", 1)),
]


@pytest.mark.parametrize(
    ("cls", "fields"),
    [(Plain, ("mail",)), (Attrs, ("mail",)), (Struct, ("homeMail",)), (Model, ("mail",)), (Nested, ("address",))],
)
def test_the_personal_fields_of_a_class_are_found_by_their_names_in_json(
    cls: type[Any], fields: tuple[str, ...]
) -> None:
    assert personal_fields(cls) == fields


@pytest.mark.parametrize("value", EVENTS, ids=lambda value: type(value).__name__)
def test_a_value_of_any_kind_of_class_is_sealed_and_opened_again(value: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db?keys=sqlite:///{tmp_path}/k.db"
    with Store.open(url, events=[type(value)]) as store:
        store.append("a-1", [value])
        assert [recorded.data for recorded in store.read()] == [value]
    with Store.open(f"sqlite:///{tmp_path}/s.db", events=[RawEvent]) as store:
        (raw,) = store.read()
    (box,) = [shape for name, shape in raw.data.data.items() if name != "who"]
    assert set(box) == {SEALED}


def test_the_same_value_of_the_same_subject_gives_the_same_bytes_and_of_another_does_not() -> None:
    form = Codec([Plain], sealing=sealing_at("sqlite:///:memory:")).form(Plain)
    once, again, other = (form.written(Plain(who, "x@y.z")) for who in ("x", "x", "y"))
    assert (once == again, once == other) == (True, False)


def test_personal_fields_without_a_subject_are_refused() -> None:
    @event("a.unsaid")
    class Unsaid:
        mail: Personal[str]

    with pytest.raises(UsageError, match=r"personal field mail, and does not say whom they are about"):
        Codec([Unsaid])


def test_a_command_has_no_personal_fields() -> None:
    @command("a.do")
    class Do:
        mail: Personal[str]

    from refold.codec import form_of  # noqa: PLC0415
    from refold.messages import spec_of  # noqa: PLC0415

    with pytest.raises(UsageError, match="commands are not sealed"):
        form_of(Do, spec_of(Do, "command"))


def test_personal_fields_whose_annotations_cannot_be_read_are_refused_and_not_written_as_they_are() -> None:
    class Near(pydantic.BaseModel):
        street: str

    @event("a.near", subject="who")
    class Nearby(pydantic.BaseModel):  # pydantic looks into this function, where nobody else can
        who: str
        mail: Personal[str]
        near: Near

    class Base(pydantic.BaseModel, frozen=True):
        mail: Personal[str]
        near: Near

    @event("a.nearer", subject="who")
    class Nearer(Base, frozen=True):
        who: str

    for cls in (Nearby, Nearer):
        with pytest.raises(UsageError) as caught:
            Codec([cls])
        assert str(caught.value).partition("<locals>.")[2] == (
            f"{cls.__name__} has personal fields, and its annotations cannot be read (name 'Near' is not defined): define "
            "what they name in the module of the class."
        )


def test_a_class_without_personal_fields_may_have_annotations_that_nobody_can_read_here() -> None:
    class Near(pydantic.BaseModel):
        street: str

    @event("a.near")
    class Nearby(pydantic.BaseModel):
        near: Near

    assert personal_fields(Nearby) == ()
    assert Codec([Nearby]).form(Nearby).written(Nearby(near=Near(street="x"))) == b'{"near":{"street":"x"}}'


@event("a.plain", version=2, subject="who", upcasters=[upcast("a.plain", 1, to=2)(lambda old: old)])
class PlainLater:
    who: str
    mail: Personal[str]


@pytest.mark.parametrize("cls", [Plain, PlainLater], ids=["as it stands", "upcast"])
def test_keys_that_cannot_be_reached_now_are_no_fault_of_the_event(
    cls: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnreachable("the keys cannot be reached.")

    url = f"sqlite:///{tmp_path}/s.db?keys=sqlite:///{tmp_path}/k.db"
    with Store.open(url, events=[Plain]) as store:
        store.append("a-1", [Plain("x", "x@y.z")])
    monkeypatch.setattr("refold.keys.sqlite.KeyFile.find", away)
    with Store.open(url, events=[cls]) as store, pytest.raises(StoreUnreachable):
        list(store.read())


def test_what_was_written_before_the_field_was_personal_reads_as_it_stands(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with Store.open(url, events=[RawEvent]) as store:
        store.append("a-1", [RawEvent("a.plain", {"who": "x", "mail": "x@y.z"})])
    with Store.open(f"{url}?keys=sqlite:///:memory:", events=[Plain]) as store:
        assert [recorded.data for recorded in store.read()] == [Plain("x", "x@y.z")]


def test_what_was_changed_in_a_box_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db?keys=sqlite:///{tmp_path}/k.db"
    with Store.open(url, events=[Plain, RawEvent]) as store:
        store.append("a-1", [Plain("x", "x@y.z")])
    with Store.open(f"sqlite:///{tmp_path}/s.db", events=[RawEvent]) as store:
        (raw,) = store.read()
        subject, key, _ = raw.data.data["mail"][SEALED]
        forged = {"who": "x", "mail": {SEALED: [subject, key, "AAAAAAAAAAAAAAAAAAAAAAAA"]}}
        store.append("a-1", [RawEvent("a.plain", forged)])
    with Store.open(url, events=[Plain]) as store, pytest.raises(Exception, match="was changed since"):
        list(store.read())


@event("a.lookalike", subject="who")
class Lookalike:
    who: str
    mail: Personal[dict[str, list[str]]]
    note: dict[str, list[str]]


def test_what_only_looks_sealed_reads_back_as_it_was(tmp_path: Path) -> None:
    box = {SEALED: ["who:x", "00" * 16, "AAAA"]}
    with Store.open(f"sqlite:///{tmp_path}/s.db?keys=sqlite:///:memory:", events=[Lookalike]) as store:
        store.append("a-1", [Lookalike("x", box, box)])
        assert [recorded.data for recorded in store.read()] == [Lookalike("x", box, box)]
        store.forget("who:x")
        assert [recorded.data for recorded in store.read()] == [Lookalike("x", None, box)]


def test_subjects_of_one_tenant_are_not_those_of_another(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db?keys=sqlite:///{tmp_path}/k.db"
    with Store.open(url, events=[Plain]) as store:
        acme, bolt = store.tenant("acme"), store.tenant("bolt")
        for tenant in (store, acme, bolt):
            tenant.append("a-1", [Plain("x", "x@y.z")])
        acme.forget("who:x")
        assert [[recorded.data.mail for recorded in tenant.read()] for tenant in (store, acme, bolt)] == [
            ["x@y.z"],
            [None],
            ["x@y.z"],
        ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("eu", "acme/1"), ("eu/acme", "1")),
        ((None, "eu/1"), ("eu", "1")),
        (("a%2Fb", "1"), ("a/b", "1")),
        ((None, "a%2Fb"), (None, "a/b")),
    ],
)
def test_subjects_whose_names_meet_those_of_another_tenant_have_keys_of_their_own(
    one: tuple[str | None, str], other: tuple[str | None, str], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/s.db?keys=sqlite:///{tmp_path}/k.db"
    with Store.open(url, events=[Named]) as store:
        for number, (tenant, subject) in enumerate((one, other)):
            of_tenant = store if tenant is None else store.tenant(tenant)
            of_tenant.append(f"a-{number}", [Named(subject, "x@y.z")])
        (store if one[0] is None else store.tenant(one[0])).forget(one[1])
        left = [
            recorded.data.mail
            for number, (tenant, _) in enumerate((one, other))
            for recorded in (store if tenant is None else store.tenant(tenant)).read(f"a-{number}")
        ]
        assert left == [None, "x@y.z"]


def test_what_was_sealed_when_a_tenants_subject_had_its_slashes_as_they_are_is_still_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db?keys=sqlite:///{tmp_path}/k.db"
    with Store.open(url, events=[Named]) as store:
        store.tenant("eu").append("a-1", [Named("acme/1", "x@y.z")])
    with apsw.Connection(str(tmp_path / "k.db")) as keys:
        keys.execute("update refold_keys set subject = 'eu/acme/1'")
    with Store.open(url, events=[Named]) as store:
        assert [recorded.data.mail for recorded in store.tenant("eu").read()] == ["x@y.z"]


def test_forgetting_that_was_interrupted_is_finished_by_doing_it_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db?keys=sqlite:///{tmp_path}/k.db"
    with Store.open(url, events=[Plain]) as store:
        store.append("a-1", [Plain("x", "x@y.z")])
        sealing = sealing_at(f"sqlite:///{tmp_path}/k.db")
        sealing.destroy("who:x", 0)  # and then the program ended
        sealing.close()
        assert [recorded.data.mail for recorded in store.read()] == [None]
        store.forget("who:x")
        assert [stream.version for stream in store.streams("$forgotten")] == [1]


def test_the_secret_is_in_the_file_of_keys_no_more(tmp_path: Path) -> None:
    keys = tmp_path / "k.db"
    url = f"sqlite:///{tmp_path}/s.db?keys=sqlite:///{keys}"
    with Store.open(url, events=[Plain]) as store:
        store.append("a-1", [Plain("x", "x@y.z"), Plain("y", "y@y.z")])
        secrets = _secrets(keys)
        assert [secret in _bytes(keys) for secret in secrets] == [True, True]
        store.forget("who:x")
        assert [secret in _bytes(keys) for secret in secrets] == [False, True]


def _secrets(keys: Path) -> list[bytes]:
    return [
        secret for (secret,) in apsw.Connection(str(keys)).execute("select secret from refold_keys order by subject")
    ]


def _bytes(keys: Path) -> bytes:
    return b"".join(file.read_bytes() for file in keys.parent.glob(f"{keys.name}*"))
