"""A kernel that costs next to nothing: sends its prompt, and answers `EvaluatePacket[e]` by
`ReturnPacket[e]`.
"""

from __future__ import annotations

import sys

import wstp
from wstp import Function, Symbol


def main(arguments: list[str]) -> int:
    """Serve the link that the arguments name until it closes."""
    name = arguments[arguments.index("-linkname") + 1]
    with wstp.connect(name, mode="default", timeout=10, limits=wstp.Limits(total_size=2**31, token_size=2**30)) as link:
        link.put(Symbol("InputNamePacket")("In[1]:= "), end_packet=True)
        link.flush()
        try:
            while True:
                packet = link.get()
                assert isinstance(packet, Function)
                link.put(Symbol("ReturnPacket")(*packet.args), end_packet=True)
                link.flush()
        except (wstp.LinkClosed, wstp.LinkLost):
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
