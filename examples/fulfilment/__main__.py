"""The demo: the same orders fulfilled twice, by a process and by a saga, and what each wrote into its journal."""

from __future__ import annotations

from typing import Final

from examples.fulfilment.day import FATES, Day
from examples.fulfilment.orchestration import fulfilment
from examples.fulfilment.outside import World
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from refold.flows.processes.histories import Happening

LOOKED_AT: Final = "1004"


def main() -> None:
    """Play the day both ways, and print what came of it."""
    console, by_process, by_saga = Console(highlight=False), Day.by_process().play(), Day.by_saga().play()
    with by_process.store, by_saga.store:
        console.print("\nSix orders come at once, for five teapots. Each way, this is how they end:\n")
        console.print(_fates(by_process, by_saga))
        console.print(f"\n{_sums(by_process, by_saga)}\n")
        for day, way in ((by_process, "process"), (by_saga, "saga")):
            console.print(f"Order {LOOKED_AT} in the journal of the [bold]{way}[/bold]:\n")
            console.print(_journal(day))
    console.print("\nThe saga as a diagram (Mermaid):\n")
    console.print(escape(fulfilment(World()).diagram()))


def _fates(by_process: Day, by_saga: Day) -> Table:
    table = Table("order", "who", "what happens", "by the process", "by the saga", "paid", "parcel", box=None)
    one, other = by_process.orders(), by_saga.orders()
    for number, (customer, what) in FATES.items():
        bank, carrier = by_saga.world.bank, by_saga.world.carrier
        paid = f"{bank.taken.get(number, 0) / 100:.2f}"
        fates = [
            f"{order.status}{f': {order.reason}' if order.reason else ''}" for order in (one[number], other[number])
        ]
        table.add_row(number, customer, what, *fates, paid, carrier.parcels.get(number, ""))
    return table


def _sums(*days: Day) -> str:
    asked = [sum(day.world.bank.asked.values()) for day in days]
    (one, other) = [(day.world.bank.taken, sorted(day.world.carrier.parcels), day.stock()) for day in days]
    assert one == other
    return (
        f"Both ways, {len(one[0])} are paid and {one[2].free} teapots are free again. The bank was asked to charge "
        f"{asked[0]} and {asked[1]} times: where it did not answer it was asked again, with the same key."
    )


def _journal(day: Day) -> Table:
    table = Table(box=None, show_header=False)
    for each in day.instances.show(LOOKED_AT).history:
        table.add_row(f"  {each.at:%H:%M:%S}", escape(each.what), escape(_led_to(each)))
    table.add_row()
    return table


def _led_to(each: Happening) -> str:
    return "; ".join(each.led_to)


if __name__ == "__main__":
    main()
