"""Who the servers are, and who this is: TLS, credentials, and what is said when one does not let the other in."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from nats.aio.client import Client
from nats.errors import Error as NatsError

from refold.errors import MissingExtra, StoreUnreachable, UsageError

_NOT_LET_IN: Final = ("authorization violation", "authentication expired", "authentication revoked")


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is encrypted. `first`: from its first byte, as `handshake_first` of the server has it.

    `ca`: the file of those who vouch for the servers, if not those whom the machine trusts. `cert`, `key`: who this is.
    """

    first: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext:
        """What a connection is made with.

        Raises:
            UsageError: a file is not there, or does not hold what it should.
        """
        for setting, file in (("tlsca", self.ca), ("tlscert", self.cert), ("tlskey", self.key)):
            check_there(setting, file)
        try:
            made = ssl.create_default_context(cafile=self.ca)
        except ssl.SSLError as error:
            raise UsageError(f"the file of ?tlsca={self.ca} holds no certificate ({error}): it takes PEM.") from error
        if self.cert:
            self._show(made, self.cert)
        return made

    def _show(self, made: ssl.SSLContext, cert: str) -> None:
        try:
            made.load_cert_chain(cert, self.key, password=_nobody_asks)
        except ssl.SSLError as error:
            raise UsageError(
                f"?tlscert={cert} and ?tlskey={self.key or cert} are no certificate and its key ({error}): "
                "they take PEM without a passphrase."
            ) from error


def _nobody_asks() -> str:
    """Else a program would stop and ask for a passphrase on the terminal."""
    return ""


def check_there(setting: str, file: str | None) -> None:
    """Raises `UsageError` if a setting of the URL names a file that is not there or may not be read."""
    if file is None:
        return
    try:
        with Path(file).open("rb"):
            return
    except OSError as error:
        raise UsageError(f"?{setting}={file} names a file that cannot be read: {error.strerror}.") from error


def check_credentials(file: str | None) -> None:
    """Raises `UsageError` if they are not there, `MissingExtra` if nothing here can sign with them."""
    check_there("credentials", file)
    if file is not None and find_spec("nkeys") is None:
        raise MissingExtra("nkeys", "nats")


class SecuredClient(Client):
    """A client that tells its password only to a server that speaks TLS: what greets it is not believed before that."""

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except (OSError, TimeoutError):
            # The client would wait without end for it to be closed, and go to no other server.
            if self._transport is not None:
                self._transport.close()  # type: ignore[no-untyped-call]
                self._transport = None
            raise
        self._end_as_tls_ends()

    def _end_as_tls_ends(self) -> None:
        """Tell the streams of asyncio that they are over TLS, as its own `start_tls` does: else each end is a warning."""
        if writer := getattr(self._transport, "_io_writer", None):
            writer.transport.get_protocol()._over_ssl = True  # noqa: SLF001 - no other way

    def _connect_command(self) -> bytes:
        if not self.options["tls_handshake_first"] and not self._server_info.get("tls_required"):
            raise NatsError("nats: the server has no TLS")
        return super()._connect_command()


def is_hopeless(error: Exception) -> bool:
    """Whether a server is there, but will not let this in, or is not who it should be: waiting changes nothing."""
    text = str(error).casefold()
    return isinstance(error, ssl.SSLError) or "has no tls" in text or any(part in text for part in _NOT_LET_IN)


def kept_out(error: Exception, shown: str) -> StoreUnreachable:
    """What is said of such a server."""
    why = str(error).removeprefix("nats: ").strip("'").rstrip(".")
    if isinstance(error, ssl.SSLError) or "has no TLS" in why:
        return StoreUnreachable(
            f"there is no safe connection to {shown} ({why}): ?tlsca= names who vouches for the servers, ?tlscert= and "
            "?tlskey= are for servers that ask, ?tls=first for those with handshake_first."
        )
    return StoreUnreachable(
        f"{shown} does not let this user in ({why}): are the user and the password in the URL, or ?credentials=, right?"
    )
