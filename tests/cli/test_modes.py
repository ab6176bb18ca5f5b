"""What is made of a store is for nobody who may not read the store: backups, copies, exports, archives, restored stores."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.archive.books import write_books
from tests.cli.conftest import Run

from refold import Store
from refold.cli.modes import make_as
from refold.eventlogs.whole import whole_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


@pytest.fixture(autouse=True, params=[0o022, 0o077], ids=["022", "077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    mask: int = request.param
    before = os.umask(mask)
    yield mask
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): f"{stat.S_IMODE(path.stat().st_mode):04o}" for path in folder.rglob("*")}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666], ids=["600", "640", "666"])
def test_what_is_made_of_a_store_has_the_mode_of_its_file_less_the_umask(
    refold: Run, directory: Path, mode: int, umask: int
) -> None:
    pytest.importorskip("pyarrow")
    write_books("sqlite:///books.db", 2)
    (directory / "books.db").chmod(mode)
    (directory / "made").mkdir()
    for command in (
        ("archive", "create", "made/old", "--older-than", "0s", "--store", "books.db"),
        ("backup", "made/b", "--archive", "made/old", "--store", "books.db"),
        ("restore", "made/b", "--archive", "made/older", "--store", "made/restored.db"),
        ("copy", "--from", "books.db", "--archive", "made/old", "--to", "made/copy.db"),
        ("export", "made/all.jsonl", "--archive", "made/old", "--store", "books.db"),
        ("export", "made/all.ocel.json", "--archive", "made/old", "--store", "books.db"),
    ):
        done = refold(*command)
        assert done.code == 0, done
    folders = {"old", "older"}
    found = modes(directory / "made")
    assert folders | {"b", "restored.db", "copy.db", "all.jsonl", "all.ocel.json", "old/manifest.json"} <= set(found)
    file, folder = f"{mode & ~umask:04o}", f"{(mode | mode >> 2 & 0o111) & ~umask:04o}"
    assert found == {name: folder if name in folders else file for name in found}


def test_a_directory_that_others_may_read_does_not_open_the_archive_of_a_store_that_they_may_not(
    refold: Run, directory: Path
) -> None:
    pytest.importorskip("pyarrow")
    write_books("sqlite:///books.db", 2)
    (directory / "books.db").chmod(0o600)
    (directory / "old").mkdir(0o755)
    refold("archive", "create", "old", "--older-than", "0s", "--store", "books.db")
    assert set(modes(directory / "old").values()) == {"0600"}


def test_what_is_made_of_a_store_that_is_in_no_file_is_for_its_user_alone(directory: Path) -> None:
    make_as("sqlite:///copy.db", "postgresql://localhost/shop")
    assert modes(directory)["copy.db"] == "0600"


@pytest.mark.parametrize(
    ("mode", "folder"), [(0o600, 0o700), (0o640, 0o750), (0o644, 0o755)], ids=["600", "640", "644"]
)
def test_tenants_stand_in_a_folder_that_lets_in_who_may_read_the_store(
    directory: Path, mode: int, folder: int, umask: int
) -> None:
    Store.open("sqlite:///shop.db").close()
    (directory / "shop.db").chmod(mode)
    with Store.open("sqlite:///shop.db") as store:
        store.tenant("north")
    assert modes(directory)["shop.db.tenants"] == f"{folder & ~umask:04o}"


def test_a_file_that_is_replaced_keeps_its_mode(directory: Path) -> None:
    (directory / "x").touch()
    (directory / "x").chmod(0o604)
    with whole_file(directory / "x") as out:
        out.write(b"new")
    assert ((directory / "x").read_bytes(), modes(directory)["x"]) == (b"new", "0604")


def test_the_doctor_finds_keys_that_every_user_of_the_machine_may_read(refold: Run, directory: Path) -> None:
    (directory / "keys.db").touch()
    for mode, expected in ((0o644, "finding"), (0o640, "ok")):
        (directory / "keys.db").chmod(mode)
        done = refold("doctor", "--store", "shop.db?keys=sqlite:///keys.db", "--output", "json")
        (told,) = (each for each in json.loads(done.out)["data"] if each["check"] == "keys")
        assert (told["verdict"], told["do"]) == (expected, "`chmod 600 keys.db`." if expected == "finding" else "")
