"""The rules of OCEL 2.0 in JSON, and where a log breaks them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

IS: dict[str, tuple[type, ...]] = {
    "string": (str,), "time": (str,), "integer": (int,), "float": (int, float), "boolean": (bool,),
}  # fmt: skip


def flaws(log: dict[str, Any]) -> list[str]:
    """Where a log breaks what OCEL 2.0 asks for."""
    found = list[str]()
    kinds = {each["name"] for each in log["objectTypes"]}
    types = {each["name"]: {a["name"]: a["type"] for a in each["attributes"]} for each in log["eventTypes"]}
    objects = {each["id"]: each["type"] for each in log["objects"]}
    found += [f"object {id} has the type {kind!r}" for id, kind in objects.items() if kind not in kinds]
    found += ["an id stands twice"] * (len({each["id"] for each in log["events"]}) < len(log["events"]))
    found += ["an object stands twice"] * (len(objects) < len(log["objects"]))
    for each in log["events"]:
        declared = types.get(each["type"])
        assert datetime.fromisoformat(each["time"]).tzinfo is not None
        found += [
            f"{each['id']} relates to {r['objectId']!r}" for r in each["relationships"] if r["objectId"] not in objects
        ]
        if declared is None:
            found.append(f"{each['id']} has the type {each['type']!r}")
            continue
        found += [
            f"{each['id']}: {a['name']} is not {declared.get(a['name'])}: {a['value']!r}"
            for a in each["attributes"]
            if not isinstance(a["value"], IS[declared[a["name"]]])
            or (isinstance(a["value"], bool) and declared[a["name"]] != "boolean")
        ]
    return found
