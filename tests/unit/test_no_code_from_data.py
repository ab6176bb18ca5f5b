"""No code comes from data: nothing that is stored, sent or imported is unpickled, evaluated, or names what is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "refold"
MODULES = frozenset(
    {"cloudpickle", "copyreg", "dill", "imp", "joblib", "jsonpickle", "marshal", "pickle", "runpy", "shelve", "yaml"}
)
"""What makes objects, or runs programs, out of bytes."""
CALLS = frozenset(
    {"__import__", "compile", "eval", "exec", "execfile", "input", "import_module", "exec_module", "find_class"}
)
ATTRIBUTES = frozenset({"system", "popen", "unpickle", "load_module", "exec_module", "import_module", "full_load"})
ALLOWED: Mapping[str, str] = {
    "__init__.py: import_module": "the house of a public name: one of a table in the program",
    "cli/program.py: import_module": "the module of a command: one of a table in the program",
    "cli/demo.py: import_module": "refold.studio, spelled out, so that its extra is named if there is none",
    "cli/apps.py: import_module": "what --app, --into, REFOLD_APP or pyproject.toml name: the operator's own code",
    "frameworks/django/configured.py: import_module": "what the settings of a Django project name: as above",
    "reach.py: __import__": "what a function of the application imports as it runs: the name stands in its code",
    "insides.py: copyreg": "how objects are taken apart that others have told of: nothing is made of the parts",
}
"""By the file and the call, why the name is none that comes with data."""


def found_in(tree: ast.AST) -> Iterator[str]:
    """Whatever in a module makes code, or objects of any class, out of what it is given."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (each.name for each in names if each.name.partition(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                yield module
            case ast.Call(ast.Name(name)) if name in CALLS:
                yield name
            case ast.Call(
                ast.Attribute(ast.Name("os" | "importlib" | "pickle" | "loader" | "yaml" | "builtins"), name)
            ) if name in ATTRIBUTES | CALLS:
                yield name
            case ast.Call(keywords=keywords) if any(each.arg == "shell" for each in keywords):
                yield "shell="
            case _:
                pass


def test_nothing_in_the_program_makes_code_or_any_object_out_of_data() -> None:
    files = sorted(ROOT.rglob("*.py"))
    found = {
        f"{file.relative_to(ROOT)}: {what}" for file in files for what in found_in(ast.parse(file.read_text("utf-8")))
    }
    assert (found, len(files) > 500) == (set(ALLOWED), True)


@pytest.mark.parametrize(
    ("planted", "what"),
    [
        ("import pickle", "pickle"), ("from marshal import loads", "marshal"), ("eval(stored)", "eval"), ("exec(text)", "exec"),
        ("import importlib; importlib.import_module(name)", "import_module"), ("__import__(row.type)", "__import__"),
        ("import os; os.system(line)", "system"), ("run(line, shell=True)", "shell="), ("import yaml.loader", "yaml.loader"),
        ("compile(text, '', 'exec')", "compile"),
    ],
)  # fmt: skip
def test_what_is_planted_is_found(planted: str, what: str) -> None:
    assert list(found_in(ast.parse(planted))) == [what]


@pytest.mark.parametrize(
    "type", ["builtins.eval", "os.system", "__import__('os')", "refold.store.Store", "!!python/object:x"]
)
def test_the_type_of_an_event_is_a_word_and_names_no_class(type: str) -> None:
    from refold import RawEvent, Store  # noqa: PLC0415

    with Store.open("memory://", events=[RawEvent]) as store:
        store.append(
            "a-1", [RawEvent(type, {"__class__": type, "$type": type, "py/object": type, "__reduce__": [type]})]
        )
        (event,) = store.read("a-1")
    assert (event.type, event.data.__class__, event.data.type) == (type, RawEvent, type)
