"""Bombs: a few bytes that want to become very many when they are read."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

MIB: Final = 1 << 20
DEEP: Final = b"[" * 200_000 + b"]" * 200_000
ROW: Final = b'{"stream":"a-1","type":"x","data":%b}\n'
EXPORTED: Final = b"""\
position,stream,version,type,schema_version,id,recorded_at,valid_at,data,tags,correlation_id,causation_id,actor,metadata
1,a-1,1,x,1,42b1f37e-30f9-5997-bd69-8cc59176a382,2026-12-01T00:00:00Z,,"%b",[],a-1,,,{}
"""
_MEASURED: Final = """
import json, sys
from click.testing import CliRunner
from refold.cli.program import program
from refold.http.bodies import json_of
from refold.http.problems import Declined
import refold.cli.importing, refold.cli.restore, refold.arrow.files

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024

def refold(*args):
    done = CliRunner().invoke(program, args)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return -1, repr(done.exception)
    return done.exit_code, done.stderr

def body(name):
    with open(name, "rb") as file:
        content = file.read()
    try:
        json_of(content)
        return 0, "taken"
    except Declined as error:
        return error.status, str(error)

for act, *args in json.loads(sys.argv[1]):
    with open("/proc/self/clear_refs", "w") as peaks:
        peaks.write("5")
    least = peak()
    code, said = {"refold": refold, "body": body}[act](*args)
    print(json.dumps([code, peak() - least, said[-600:]]))
"""
Measured: TypeAlias = tuple[int, int, str]
"""What it ended with, by how many MiB the process grew at most meanwhile, and what it said."""


def measured(*acts: Sequence[str]) -> list[Measured]:
    """What comes of commands, `refold` and its arguments, and of reading bodies of HTTP, `body` and a file, in one process."""
    command = [sys.executable, "-c", _MEASURED, json.dumps(acts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    return [(*json.loads(line),) for line in done.stdout.splitlines()]


def _packed(*parts: tuple[bytes, int]) -> bytes:
    """Parts, each so often, packed by gzip as well as it can."""

    def members() -> Iterator[bytes]:
        for part, times in parts:
            together = max(1, min(times, MIB // len(part)))
            many = gzip.compress(part * together, 9)
            yield many * (times // together) + gzip.compress(part * (times % together))

    return b"".join(members())


LOGS: Final[Mapping[str, Callable[[], bytes]]] = {
    "one line.jsonl": lambda: b" " * 20 * MIB,
    "blank lines.jsonl.gz": lambda: _packed((b"\n", 500 * MIB)),
    "rows.jsonl.gz": lambda: _packed((ROW % b'{"x":"%b"}' % (b"y" * 500_000), 4_000)),
    "a field.csv.gz": lambda: _packed((b'stream,type,x\na-1,b,"', 1), (b"x", 40 * MIB)),
    "lines of a field.csv.gz": lambda: _packed((b'stream,type,x\na-1,b,"', 1), (b"x" * 999 + b"\n", 300_000)),
    "an attribute.xes.gz": lambda: _packed((b'<log><trace><string key="a" value="', 1), (b"x", 40 * MIB)),
    "attributes.xes.gz": lambda: _packed((b"<log><trace>", 1), (b'<string key="a" value="b"/>', 2_000_000)),
    "elements.xes.gz": lambda: _packed((b"<log>", 1), (b"<x>", 5_000_000)),
    "objects.ocel.json.gz": lambda: _packed((b'{"objects":[', 1), (b'{"id":"a","type":"b"},', 9_000_000)),
    "an object.ocel.json.gz": lambda: _packed((b'{"objects":[{"id":"', 1), (b"x", 40 * MIB)),
    "deep.jsonl": lambda: ROW % DEEP,
    "a deep object.ocel.json": lambda: b'{"objects":[{"id":"a","type":"b","x":%b}],"events":[]}' % DEEP,
    "a deep event.ocel.json": lambda: b'{"objects":[],"events":[{"id":"a","type":"b","time":"x","x":%b}]}' % DEEP,
    "a deep cell.csv": lambda: EXPORTED % DEEP,
    "a number.jsonl": lambda: ROW % b'{"x":%b}' % (b"9" * 100_000),
    "a number too large.jsonl": lambda: ROW % b'{"x":1e999999}',
    "laughs.xes": lambda: (
        b"<?xml version='1.0'?><!DOCTYPE log [<!ENTITY a0 'ha'>"
        + b"".join(b"<!ENTITY a%d '%b'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
        + b"]><log><trace><string key='a' value='&a11;'/></trace></log>"
    ),
    "a file of mine.xes": lambda: (
        b"<?xml version='1.0'?><!DOCTYPE log [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><log>&x;</log>"
    ),
    "a document of others.xes": lambda: b"<?xml version='1.0'?><!DOCTYPE log SYSTEM 'http://127.0.0.1:1/x.dtd'><log/>",
}


def _table(**columns: Any) -> pa.Table:
    count = len(next(iter(columns.values())))
    return pa.table({"stream": ["a-1"] * count, "type": ["x"] * count, **columns})


def _zeros(count: int) -> pa.Array[Any]:
    return pa.Array.from_buffers(pa.int8(), count, [None, pa.py_buffer(bytes(count))])


def write_texts(path: Path) -> None:
    """Twenty rows of 20 MB."""
    pq.write_table(_table(x=["y" * 20_000_000] * 20), path, compression="zstd", use_dictionary=False)


def write_one_text(path: Path) -> None:
    """One text of 5 MB, in 150 rows."""
    once = pa.DictionaryArray.from_arrays(pa.array([0] * 150, pa.int32()), pa.array(["y" * 5_000_000]))
    pq.write_table(_table(x=once), path, compression="zstd")


def write_a_list(path: Path) -> None:
    """One row, a list of 50 million zeros."""
    of_zeros = pa.ListArray.from_arrays(pa.array([0, 50_000_000], pa.int32()), _zeros(50_000_000))
    pq.write_table(_table(x=of_zeros), path, compression="zstd")


def write_lists(path: Path) -> None:
    """100 rows, each a list of 100,000 zeros."""
    ends = pa.array(range(0, 10_000_001, 100_000), pa.int32())
    pq.write_table(_table(x=pa.ListArray.from_arrays(ends, _zeros(10_000_000))), path, compression="zstd")


TABLES: Final[Sequence[Callable[[Path], None]]] = (write_texts, write_one_text, write_a_list, write_lists)

BODIES: Final[Mapping[str, Callable[[], bytes]]] = {
    "lists": lambda: b"[" + b"[]," * MIB + b"[]]",
    "objects": lambda: b"[" + b"{}," * MIB + b"{}]",
    "numbers": lambda: b"[" + b"0," * (2 * MIB) + b"0]",
    "escapes": lambda: b'["' + b"\\u0000" * MIB + b'"]',
    "keys": lambda: json.dumps({f"k{n}": 0 for n in range(100_000)}).encode(),
    "a key twice at the end": lambda: json.dumps({f"k{n}": 0 for n in range(100_000)}).encode()[:-1] + b',"k99999":1}',
    "depth": lambda: DEEP,
    "a number": lambda: b"9" * 4 * MIB,
    "gzip": lambda: gzip.compress(b" " * 16 * MIB),
}


def forged(path: Path, members: Mapping[str, tuple[bytes, int]]) -> Path:
    """A backup with these members, each a part so often, sealed as if all were right."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for name, (part, times) in members.items():
            with out.open(name, "w", force_zip64=True) as member:
                for _ in range(times):
                    member.write(part)
        out.comment = b"0" * 64
    content = path.read_bytes()[:-64]
    path.write_bytes(content + hashlib.sha256(content).hexdigest().encode())
    return path
