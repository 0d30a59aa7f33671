"""A kernel that costs next to nothing: sends its prompt, and answers `EvaluatePacket[e]` by
`ReturnPacket[e]`, but `EvaluatePacket["flood"]` by a megabyte of small packets first.
"""

from __future__ import annotations

import os
import socket
import sys

import wstp
from wstp import Function, Symbol
from wstp.packets import encode_packet, packet

FLOOD = encode_packet(packet("TextPacket", "x")) * 40_000


def main(arguments: list[str]) -> int:
    """Serve the link that the arguments name until it closes."""
    name = arguments[arguments.index("-linkname") + 1]
    with wstp.connect(name, mode="default", timeout=10, limits=wstp.Limits(total_size=2**31, token_size=2**30)) as link:
        link.put(Symbol("InputNamePacket")("In[1]:= "), end_packet=True)
        link.flush()
        try:
            while True:
                asked = link.get()
                assert isinstance(asked, Function)
                if asked.args == ("flood",):
                    with socket.socket(fileno=os.dup(link.fileno())) as connection:
                        connection.setblocking(True)
                        connection.sendall(FLOOD)
                link.put(Symbol("ReturnPacket")(*asked.args), end_packet=True)
                link.flush()
        except (wstp.LinkClosed, wstp.LinkLost):
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
