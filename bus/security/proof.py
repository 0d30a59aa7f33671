"""Proofs that both ends of a link know one token, without saying it. Plain functions; no I/O.

Each end names a random number. The client's proof is made of both and the token, and so is the
server's, which the client checks. Who does not know the token can make neither, and learns no token
from them. It is no encryption: whoever is between the two can still read and change what follows.
"""

from __future__ import annotations

import hmac

__all__ = ["SHORTEST", "client_proof", "same", "server_proof"]

#: The fewest characters of a random number that an end names.
SHORTEST = 16


def client_proof(token: str, client: str, server: str) -> str:
    """Return the proof of a client; `client` and `server` are the random numbers of the two."""
    return _proof(token, "client", client, server)


def server_proof(token: str, client: str, server: str) -> str:
    """Return the proof of a server; `client` and `server` are the random numbers of the two."""
    return _proof(token, "server", client, server)


def same(one: object, other: str) -> bool:
    """Whether `one` is the text `other`; it takes as long for a wrong one as for the right one."""
    return isinstance(one, str) and hmac.compare_digest(one.encode(), other.encode())


def _proof(token: str, who: str, client: str, server: str) -> str:
    said = b"\0".join(part.encode() for part in ("kernelbus token", who, client, server))
    return hmac.new(token.encode(), said, "sha256").hexdigest()
