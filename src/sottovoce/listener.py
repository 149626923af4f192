"""A socket to listen on, for the service and the app: `listen`."""

from __future__ import annotations

import socket

from sottovoce.errors import SottovoceError
from sottovoce.text import one_line

BACKLOG = 512


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens nowhere else; port 0 is any free one.

    Raises:
        SottovoceError: the address is not this machine's, or the port is taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise SottovoceError(
            f"{one_line(host)}:{port} cannot be listened on "
            f"({getattr(error, 'strerror', None) or one_line(error)}); "
            "choose another --host or --port"
        ) from None
