"""Commands are kept by the annotation of `decide`, and read again; what cannot be is refused where it is bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from refold import Decider, Fold, UsageError, command
from refold.commands import Commands, commands_of
from refold.testing.contract.sample import Deposited


@command("account.pay-in")
class PayIn:
    amount: int


@command("account.pay-out")
class PayOut:
    amount: int


@command("account.pay-in")
class Again:
    amount: int


def evolve(balance: int, event: Deposited) -> int:
    return balance


def on_two(command: PayIn | PayOut, state: int) -> tuple[Deposited, ...]:
    return ()


def on_one_name(command: PayIn | Again, state: int) -> tuple[Deposited, ...]:
    return ()


def on_a_number(command: int, state: int) -> tuple[Deposited, ...]:
    return ()


def on_anything(command: Literal["in"], state: int) -> tuple[Deposited, ...]:
    return ()


def kept_by(decide: Callable[..., Any]) -> Commands:
    return commands_of(Decider("account", int, evolve, decide))


UNKEPT = "the commands of 'account' cannot be kept: "
WAY_OUT = (
    ". The first parameter of `decide` must be annotated with classes, or their union, that are each marked with "
    '@command("...") under a name of its own.'
)


def test_a_command_is_kept_as_text_and_read_again_by_its_name() -> None:
    commands = kept_by(on_two)
    assert commands.kept(PayOut(3)) == '{"amount":3}'
    assert commands.read("account.pay-out", '{"amount":3}') == PayOut(3)
    assert commands.read("account.pay-in", '{"amount":3}') == PayIn(3)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            lambda: kept_by(on_two).kept(7),
            "7 cannot be kept: `decide` of 'account' is not annotated with its class, by which it would be read again.",
        ),
        (
            lambda: kept_by(on_two).read("account.close", "{}"),
            "no class is known for the command 'account.close'; known are: account.pay-in, account.pay-out.",
        ),
        (
            lambda: kept_by(on_two).read("account.pay-in", '{"amount":"x"}'),
            "the kept command 'account.pay-in' does not fit its class: Expected `int`, got `str` - at `$.amount`.",
        ),
        (
            lambda: kept_by(on_one_name),
            f"{UNKEPT}two of PayIn, Again share a wire name{WAY_OUT}",
        ),
        (
            lambda: kept_by(on_anything),
            f"{UNKEPT}the annotation of the first parameter of {on_anything!r} names no class{WAY_OUT}",
        ),
        (
            lambda: kept_by(on_a_number),
            f"{UNKEPT}<class 'int'> is no command: mark the class with @command(\"...\"){WAY_OUT}",
        ),
        (
            lambda: commands_of(Fold("account", int, evolve)),
            (
                "fold 'account' has no commands to keep: what decides is a method (`do`), which has no wire name and no "
                "JSON. Bind a Decider, and hand its commands to `handle`."
            ),
        ),
    ],
    ids=["another class", "unknown", "does not fit", "one name for two", "any class", "no command", "a fold"],
)
def test_what_cannot_be_kept_or_read_is_told(asked: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        asked()
    assert str(refused.value) == told


def test_a_decider_without_annotation_keeps_no_commands() -> None:
    decide: Any = lambda command, state: ()  # noqa: E731 - a lambda has no annotation
    with pytest.raises(UsageError) as refused:
        kept_by(decide)
    assert str(refused.value) == (
        f"{UNKEPT}{decide!r} has no annotation of its first parameter that names them{WAY_OUT}"
    )
