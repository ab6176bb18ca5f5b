"""A backup of which one byte is another one, or that was cut off, is refused, and it is told where."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.backup.shop import build, silent

from refold import StoreUnreachable, UsageError
from refold.backup import sealed
from refold.backup.making import back_up
from refold.backup.restoring import checked, restore
from refold.backup.sealed import opened
from refold.backup.sources import kind_of
from refold.errors import BackupDamaged

pytestmark = pytest.mark.guarantee("G10")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    build(f"sqlite:///{folder}/shop.db?durability=best-effort")
    back_up(f"sqlite:///{folder}/shop.db", folder / "shop.backup", None, silent)
    return folder / "shop.backup"


def refusal_of(content: bytes, folder: Path) -> str:
    """What a restore of these bytes says."""
    bad, target = folder / "bad.backup", folder / "again.db"
    bad.write_bytes(content)
    with pytest.raises((BackupDamaged, UsageError)) as told:
        restore(bad, f"sqlite:///{target}", None, silent)
    assert not target.exists()
    return str(told.value)


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_bit_that_is_another_one_is_found(whole: Path, at: float, bit: int) -> None:
    content = bytearray(whole.read_bytes())
    content[int(at * len(content))] ^= 1 << bit
    assert "backup" in refusal_of(bytes(content), whole.parent)


@given(at=st.floats(0, 1, exclude_max=True))
def test_wherever_it_is_cut_off_it_is_found(whole: Path, at: float) -> None:
    content = whole.read_bytes()
    refusal_of(content[: int(at * len(content))], whole.parent)


def test_it_is_told_where_it_is_damaged(whole: Path) -> None:
    content = bytearray(whole.read_bytes())
    with zipfile.ZipFile(whole) as file:
        offsets = {info.filename: info.header_offset for info in file.infolist()}
    content[offsets["database.sqlite"] + 2_000] ^= 1
    assert "'database.sqlite', bytes 0 to " in refusal_of(bytes(content), whole.parent)
    content = bytearray(whole.read_bytes())
    content[offsets["manifest.json"] + 100] ^= 1
    assert f"'manifest.json', bytes {offsets['manifest.json']:,} to " in refusal_of(bytes(content), whole.parent)
    assert "was it cut off?" in refusal_of(whole.read_bytes()[:-1], whole.parent)


def test_what_is_no_backup_is_told(whole: Path) -> None:
    for content in (b"", b"SQLite format 3\0" * 100, whole.with_name("shop.db").read_bytes()):
        assert "is no backup: name a file that `refold backup` made" in refusal_of(content, whole.parent)
    with pytest.raises(StoreUnreachable, match="there is no backup at"), opened(whole.parent / "none.backup"):
        pass


def test_the_seal_is_what_finds_it(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it some bits of a ZIP may be other ones, and nobody sees it."""
    content = bytearray(whole.read_bytes())
    content[10] ^= 1  # the time of the first part
    (whole.parent / "bad.backup").write_bytes(content)
    monkeypatch.setattr(sealed, "_check_seal", lambda path: None)
    with opened(whole.parent / "bad.backup") as seen:
        seen.check()


# What was made up, and sealed as a backup is ---------------------------------------------------------


def made_up(whole: Path, lie: Callable[[dict[str, Any]], object], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A backup whose manifest says something else, and whose store may be packed in another way."""
    with zipfile.ZipFile(whole) as file:
        members = {info.filename: file.read(info) for info in file.infolist()}
    manifest = json.loads(members.pop("manifest.json"))
    lie(manifest)
    bad = whole.with_name("made-up.backup")
    with zipfile.ZipFile(bad, "w") as file:
        for name, content in members.items():
            file.writestr(name, content, method)
        file.writestr("manifest.json", json.dumps(manifest))
        file.comment = b"0" * 64
    return sealed_again(bad.read_bytes())


def sealed_again(content: bytes) -> bytes:
    return content[:-64] + hashlib.sha256(content[:-64]).hexdigest().encode()


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (lambda told: told.update(parts=[]), "'database.sqlite', which the store is in, is no part of it"),
        (lambda told: told["parts"].append({**told["parts"][0], "name": "archive/x"}), "'archive/x' is not in it"),
        (lambda told: told["parts"][0].update(name="archive/../x"), "parts\\[0\\].name"),
        (lambda told: told["parts"][0].update(bytes=-1), "parts\\[0\\].bytes"),
        (lambda told: told["parts"][0].update(bytes=10**400), "its manifest cannot be read"),
        (lambda told: told.update(taken_at="\x1b[2Jnow"), "taken_at"),
        (lambda told: told["source"].update(format=-3), "source.format"),
    ],
    ids=["no store", "no such part", "a path", "a size below nothing", "a size beyond all", "a moment", "a format"],
)
def test_a_backup_that_was_made_up_is_refused_when_it_is_opened_or_looked_at(
    whole: Path, lie: Callable[[dict[str, Any]], object], says: str
) -> None:
    content = made_up(whole, lie)
    assert re.search(says, refusal_of(content, whole.parent))
    with pytest.raises(BackupDamaged, match=says), opened(whole.parent / "bad.backup") as backup:
        checked(backup, kind_of(f"sqlite:///{whole.parent}/again.db"), None)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, 99], ids=["lzma", "bzip2", "unknown"])
def test_a_backup_that_is_packed_as_none_is_refused(whole: Path, method: int) -> None:
    content = bytearray(made_up(whole, lambda _: None, zipfile.ZIP_DEFLATED if method == 99 else method))
    if method == 99:
        content[8] = content[content.index(b"PK\x01\x02") + 10] = method
    assert "in a way in which no backup is" in refusal_of(sealed_again(bytes(content)), whole.parent)


def test_a_backup_with_an_encrypted_part_is_refused(whole: Path) -> None:
    content = bytearray(made_up(whole, lambda _: None))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "in a way in which no backup is" in refusal_of(sealed_again(bytes(content)), whole.parent)


def test_a_backup_whose_packed_bytes_are_none_is_refused(whole: Path) -> None:
    content = bytearray(made_up(whole, lambda _: None))
    content[60:2_000] = b"\xff" * 1_940
    assert "cannot be read" in refusal_of(sealed_again(bytes(content)), whole.parent)
