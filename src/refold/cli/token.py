"""`refold token`: who may use the HTTP API, and for what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from refold.cli.instances import a_span
from refold.cli.models import existing
from refold.cli.options import output_option, reading, store_option
from refold.cli.output import Column, Listing, print_list
from refold.cli.running_processes import actor_option
from refold.cli.saying import say
from refold.messages import checked_name

if TYPE_CHECKING:
    from refold.http.tokens import Token

_TOKENS: Listing[tuple[str, Token]] = Listing(
    (
        Column("id", lambda each: each[0], "cyan"),
        Column("name", lambda each: each[1].name),
        Column("scopes", lambda each: " ".join(each[1].scopes)),
        Column("tenant", lambda each: each[1].tenant),
        Column("expires at", lambda each: each[1].expires_at),
        Column("state", lambda each: _state(each[1])),
    ),
    lambda each: _form(*each),
)


def _state(token: Token) -> str:
    if token.revoked is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= datetime.now(UTC) else "good"


def _form(id: str, token: Token) -> dict[str, Any]:
    return {
        "id": id,
        "name": token.name,
        "scopes": token.scopes,
        "tenant": token.tenant,
        "expires_at": token.expires_at,
        "state": _state(token),
        "revoked": token.revoked,
    }


@click.group(
    "token",
    short_help="Let programs use the HTTP API.",
    help="""Create, list, rotate and revoke the tokens that the HTTP API asks for. The store keeps their hashes alone.

    \b
    Examples:
      refold token create shop --scope read --scope append:cart --store shop.db
      refold token list --store shop.db
    """,
    epilog="Every command has examples: refold token COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


@command.command(
    "create",
    short_help="Create a token, and print it.",
    help="""Create a token, and print it: this once, since the store keeps its hash alone. NAME stands in events as the actor.

    Scopes are read and append, in every category or in those that begin with a prefix, and admin: steer read models and
    processes. A token of a tenant sees that tenant's store alone.

    \b
    Examples:
      refold token create shop --scope read --scope append:cart --store shop.db
      refold token create ops --scope read --scope admin --expires 30d --store shop.db
    """,
)
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, metavar="SCOPE[:PREFIX]", help="May be given several times."
)
@click.option("--tenant", metavar="NAME", help="Of which tenant's store.")
@click.option("--expires", type=a_span, metavar="SPAN", help="After how long, as 12h or 30d; without it, never.")
@store_option
@actor_option
def create(
    *, name: str, scopes: tuple[str, ...], tenant: str | None, expires: timedelta | None, url: str, actor: str | None
) -> None:
    """See `help` above."""
    from refold.http.access import Grant  # noqa: PLC0415 - an extra
    from refold.http.tokens import TOKEN, IssueToken, hashed, new_id, new_secret, written  # noqa: PLC0415

    checked_name("token name", name)
    if tenant is not None:
        checked_name("tenant", tenant)
    granted = tuple(str(Grant.parse(scope)) for scope in scopes)
    until = None if expires is None else datetime.now(UTC) + expires
    id, secret = new_id(), new_secret()
    with existing(url) as store:
        issue = IssueToken(name, hashed(secret), granted, tenant, until)
        store.context(actor=actor).bind(TOKEN).handle(id, issue)
    say(written(id, secret))


@command.command(
    "list",
    short_help="List the tokens.",
    help="""List the tokens: what each may do, and whether it is good. Their secrets are not known here.

    \b
    Examples:
      refold token list --store shop.db
      refold token list --store shop.db --output json
    """,
)
@store_option
@output_option()
def listed(*, url: str, output: str) -> None:
    """See `help` above."""
    from refold.http.tokens import TOKEN, TOKENS, folded  # noqa: PLC0415 - an extra

    with reading(url) as store:
        store.bind(TOKEN)
        found = folded(store.read(category=TOKENS))
    print_list(_TOKENS, found.items(), output, empty="no tokens.")


@command.command(
    "rotate",
    short_help="Give a token a new secret, and print it.",
    help="""Give a token a new secret, and print it. The old one is good for a while yet, so that nobody has to hurry.

    \b
    Examples:
      refold token rotate 0123456789abcdef --store shop.db
      refold token rotate 0123456789abcdef --grace 1d --store shop.db
    """,
)
@click.argument("id")
@click.option("--grace", type=a_span, default="1h", show_default=True, metavar="SPAN", help="For how long: 0s, 1h, 2d.")
@store_option
@actor_option
def rotate(*, id: str, grace: timedelta, url: str, actor: str | None) -> None:
    """See `help` above."""
    from refold.http.tokens import TOKEN, RotateToken, hashed, new_secret, written  # noqa: PLC0415 - an extra

    secret = new_secret()
    with existing(url) as store:
        store.context(actor=actor).bind(TOKEN).handle(id, RotateToken(hashed(secret), datetime.now(UTC) + grace))
    say(written(id, secret))


@command.command(
    "revoke",
    short_help="Let a token in no more.",
    help="""Let a token in no more, from the next request on.

    \b
    Examples:
      refold token revoke 0123456789abcdef --store shop.db
      refold token revoke 0123456789abcdef --reason "it was in a log" --store shop.db
    """,
)
@click.argument("id")
@click.option("--reason", default="by hand", show_default=True, help="Why: it is kept.")
@store_option
@actor_option
def revoke(*, id: str, reason: str, url: str, actor: str | None) -> None:
    """See `help` above."""
    from refold.http.tokens import TOKEN, RevokeToken  # noqa: PLC0415 - an extra

    with existing(url) as store:
        store.context(actor=actor).bind(TOKEN).handle(id, RevokeToken(reason))
    say(f"token {id} is revoked.")
