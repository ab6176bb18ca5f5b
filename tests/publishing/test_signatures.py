"""Signatures of webhooks: what was signed is let in, and nothing else is."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold import BadMessage, BadSignature, CloudEvent, UsageError
from refold.integrations.webhooks import Webhook
from refold.signatures import check_signature, keys_of, signed

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS: Final = int(NOW.timestamp())
KEYS = st.binary(min_size=24, max_size=64)
IDS = st.text(
    st.characters(codec="ascii", exclude_characters=". ", categories=["L", "N", "P", "S"]), min_size=1, max_size=40
)


def secret(key: bytes) -> str:
    return "whsec_" + b64encode(key).decode()


@given(KEYS, IDS, st.binary(max_size=200), st.integers(-300, 300))
def test_what_was_signed_within_five_minutes_is_let_in(key: bytes, id: str, body: bytes, ago: int) -> None:
    keys = keys_of(secret(key))
    assert check_signature(keys, signed(keys, id, SECONDS - ago, body), body, NOW) == id


@given(KEYS, IDS, IDS, st.integers(-9, 9), st.integers(3, 40))
def test_headers_that_were_changed_are_not_let_in(key: bytes, id: str, other: str, later: int, at: int) -> None:
    headers = signed(keys_of(secret(key)), id, SECONDS, b"{}")
    signature = headers["webhook-signature"]
    flipped = signature[:at] + ("A" if signature[at] != "A" else "B") + signature[at + 1 :]
    changed = {"webhook-id": other, "webhook-timestamp": str(SECONDS + later), "webhook-signature": flipped}
    for name, value in changed.items():
        if value != headers[name]:
            with pytest.raises(BadSignature):
                check_signature(keys_of(secret(key)), {**headers, name: value}, b"{}", NOW)


@given(KEYS, KEYS, st.binary(max_size=50), st.binary(max_size=50))
def test_another_body_or_secret_is_not_let_in(key: bytes, other: bytes, body: bytes, changed: bytes) -> None:
    headers = signed(keys_of(secret(key)), "m", SECONDS, body)
    for secrets, came in ((key, changed), (other, body)):
        if (secrets, came) != (key, body):
            with pytest.raises(BadSignature):
                check_signature(keys_of(secret(secrets)), headers, came, NOW)


@given(KEYS, KEYS, st.binary(max_size=50))
def test_while_one_secret_takes_the_place_of_another_either_will_do(old: bytes, new: bytes, body: bytes) -> None:
    both = keys_of([secret(old), secret(new)])
    for one, other in ((both, keys_of(secret(new))), (both, keys_of(secret(old))), (keys_of(secret(old)), both)):
        assert check_signature(other, signed(one, "m", SECONDS, body), body, NOW) == "m"


@pytest.mark.parametrize("off", [-301, 301, 100_000, -SECONDS])
def test_what_was_signed_too_long_ago_or_in_the_future_is_not_let_in(off: int) -> None:
    keys = keys_of(secret(b"k" * 24))
    with pytest.raises(BadSignature, match="from now"):
        check_signature(keys, signed(keys, "m", SECONDS + off, b""), b"", NOW)
    check_signature(keys, signed(keys, "m", SECONDS + off, b""), b"", NOW, timedelta(days=100_000))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", ""), ("webhook-id", "a.1"), ("webhook-timestamp", ""), ("webhook-timestamp", "1e9"),
        ("webhook-timestamp", "²"), ("webhook-timestamp", "-1"), ("webhook-timestamp", "9" * 400), ("webhook-signature", ""),
        ("webhook-signature", "v1"), ("webhook-signature", "v1,"), ("webhook-signature", "v1,!!!"),
        ("webhook-signature", "v1a,AAAA"),
        ("webhook-signature", "é"),
    ],
)  # fmt: skip
def test_headers_that_are_none_are_not_let_in(name: str, value: str) -> None:
    keys = keys_of(secret(b"k" * 24))
    headers = {**signed(keys, "m", SECONDS, b""), name: value}
    with pytest.raises(BadSignature):
        check_signature(keys, headers, b"", NOW)


def test_the_signature_is_that_of_the_specification() -> None:
    keys = keys_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "wrong", ["", "whsec_", "whsec_????", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", secret(b"short"), []]
)
def test_a_secret_that_is_none_is_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(UsageError, match="secret of a webhook cannot be used") as caught:
        keys_of(wrong)
    assert "MfKQ9r8" not in str(caught.value)


def test_what_is_signed_and_no_cloudevent_is_no_message() -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = {**signed(keys_of(secret(b"k" * 24)), "m", now, b"{}"), "Content-Type": "application/json"}
    with pytest.raises(BadMessage, match="neither the content type"):
        Webhook.verify(headers, b"{}", secret(b"k" * 24))


def test_names_of_headers_come_in_any_case() -> None:
    message = CloudEvent("m", "/shop", "t")
    now = int(datetime.now(UTC).timestamp())
    headers = signed(keys_of(secret(b"k" * 24)), "m", now, message.structured())
    told = {**{name.title(): value for name, value in headers.items()}, "CONTENT-TYPE": "application/cloudevents+json"}
    assert Webhook.verify(told, message.structured(), secret(b"k" * 24)) == message


def test_a_signature_says_where_its_id_ends() -> None:
    keys = keys_of(secret(b"k" * 24))
    headers = signed(keys, "m", SECONDS, f"{SECONDS}.evil".encode())
    check_signature(keys, headers, f"{SECONDS}.evil".encode(), NOW)
    with pytest.raises(BadSignature, match=r"has a '\.'"):
        check_signature(keys, {**headers, "webhook-id": f"m.{SECONDS}"}, b"evil", NOW)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([], "there is none"),
        ("abc", "it does not begin with 'whsec_'"),
        (secret(b"k" * 24).replace("a", "a!", 1), "what follows 'whsec_' is not base64"),
        (secret(b"k" * 23), "it has 23 bytes, and 24 to 64 are allowed"),
        (secret(b"k" * 65), "it has 65 bytes, and 24 to 64 are allowed"),
    ],
    ids=["none", "no prefix", "no base64", "too short", "too long"],
)
def test_why_a_secret_is_none_is_told_with_how_to_make_one(wrong: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        keys_of(wrong)
    assert str(caught.value) == (
        f"the secret of a webhook cannot be used: {why}. Make one: "
        "'whsec_' + base64.b64encode(secrets.token_bytes(32)).decode()."
    )


def test_a_signature_of_another_version_or_with_more_in_it_is_none() -> None:
    keys = keys_of(secret(b"k" * 24))
    headers = signed(keys, "m", SECONDS, b"")
    signature = headers["webhook-signature"].removeprefix("v1,")
    for other in (f"v2,{signature}", f"v1,v1,{signature}", f"v1,!{signature}", signature):
        with pytest.raises(BadSignature, match="taken: none of its signatures was made with the secret"):
            check_signature(keys, {**headers, "webhook-signature": other}, b"", NOW)
    assert check_signature(keys, {**headers, "webhook-signature": f"v2,x v1,{signature}"}, b"", NOW) == "m"


def test_which_header_is_lacking_is_told() -> None:
    with pytest.raises(BadSignature, match="taken: it has no header webhook-id"):
        check_signature(keys_of(secret(b"k" * 24)), {}, b"", NOW)
