"""A backup of which one byte is another one, or that was cut off, is refused, and it is told where."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.backup.shop import build, silent

from refold import StoreUnreachable, UsageError
from refold.backup import sealed
from refold.backup.making import back_up
from refold.backup.restoring import restore
from refold.backup.sealed import opened
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
