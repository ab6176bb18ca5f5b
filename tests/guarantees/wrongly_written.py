"""URLs of servers that are wrong in every way that people get them wrong, each with secrets in it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

HERE = "127.0.0.1:1"
"""Where nobody answers."""


def postgres_urls(a: str, b: str) -> Mapping[str, str]:
    """Of PostgreSQL. What is written with a sign that must be encoded splits the password in two."""
    known = f"postgresql://ada:{a}@{HERE}/shop"
    return {
        "nobody answers": known,
        "encoded": f"postgresql://ada:%40{a}%2F{b}@{HERE}/shop",
        "a setting": f"postgresql://ada@{HERE}/shop?password={a}",
        "a passphrase": f"postgresql://ada:{b}@{HERE}/shop?sslmode=verify-full&sslkey=/no/key&sslpassword={a}",
        "badly encoded": f"postgresql://ada:{a}%zz@{HERE}/shop",
        "a NUL": f"postgresql://ada:{a}%00@{HERE}/shop",
        "not UTF-8": f"postgresql://ada:{a}%ff@{HERE}/shop",
        **{f"a {sign!r}": f"postgresql://ada:{a}{sign}{b}@{HERE}/shop" for sign in "/@#?:[ %'\""},
        "digits and a ?": f"postgresql://ada:1?{b}@{HERE}/shop",
        "digits and a setting": f"postgresql://ada:1?x={b}@{HERE}/shop",
        "no port": f"postgresql://ada:{a}@127.0.0.1:port/shop",
        "no such port": f"postgresql://ada:{a}@127.0.0.1:99999/shop",
        "half a bracket": f"postgresql://ada:{a}@[::1/shop",
        "three slashes": f"postgresql:///ada:{a}@{HERE}/shop",
        "no slashes": f"postgresql:ada:{a}@{HERE}/shop",
        "one slash": f"postgresql:/ada:{a}@{HERE}/shop",
        "no colon": f"postgresql//ada:{a}@{HERE}/shop",
        "no scheme": f"ada:{a}@{HERE}/shop",
        "as libpq has it": f"host=127.0.0.1 port=1 user=ada password={a}",
        "an unknown setting": f"{known}?nonsense=1",
        "a setting of two": f"{known}?a=b={b}",
        "a wrong value": f"{known}?pool_size=none",
        "a wrong schema": f"{known}?schema=A-B",
        "another scheme": f"postgresql+psycopg://ada:{a}@{HERE}/shop",
        "another database": f"mysql://ada:{a}@{HERE}/shop?password={b}",
        "several hosts": f"postgresql://ada:{a}@{HERE},127.0.0.1:2/shop?busy_timeout=0.1",
        "models": f"postgresql://{HERE}/shop?models={quote(known, safe='')}",
        "models, not encoded": f"postgresql://{HERE}/shop?models={known}",
        "a default password": "postgresql://postgres:postgres@db.invalid/shop?application_name=" + a,
        "of SQLite": f"sqlite://ada:{a}@{HERE}/shop.db",
        "of SQLite, a setting": f"sqlite:///shop.db?password={a}",
    }


def nats_urls(a: str, b: str, credentials: str) -> Mapping[str, str]:
    """Of JetStream. `credentials`: a file that holds a secret, and is none of NATS's."""
    return {
        "nobody answers": f"nats://ada:{a}@{HERE}/shop",
        "a token": f"nats://{a}@{HERE}/shop",
        "encoded": f"nats://ada:%40{a}%2F{b}@{HERE}/shop",
        "badly encoded": f"nats://ada:{a}%zz@{HERE}/shop",
        **{f"a {sign!r}": f"nats://ada:{a}{sign}{b}@{HERE}/shop" for sign in "/@#?:[ '"},
        **{
            f"a setting {name}": f"nats://{HERE}/shop?{name}={a}"
            for name in ("password", "token", "nkey", "creds", "seed")
        },
        "a wrong value": f"nats://ada:{a}@{HERE}/shop?sync=no&token={b}",
        "no name": f"nats://ada:{a}@{HERE}",
        "no such name": f"nats://ada:{a}@{HERE}/sh.op",
        "no port": f"nats://ada:{a}@127.0.0.1:port/shop",
        "no such port": f"nats://ada:{a}@127.0.0.1:99999/shop",
        "several hosts": f"nats://ada:{a}@{HERE},127.0.0.1:2,127.0.0.1:3/shop",
        "with TLS": f"nats://ada:{a}@{HERE}/shop?tls=yes",
        "elsewhere": f"nats://ada:{a}@nats.invalid/shop",
        "credentials": f"nats://{HERE}/shop?credentials={credentials}",
        "models": f"nats://{HERE}/shop?models={quote(f'postgresql://ada:{a}@{HERE}/shop', safe='')}",
        "no slashes": f"nats:ada:{a}@{HERE}/shop",
    }
