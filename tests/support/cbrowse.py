"""Browse for link services with the C library and resolve them: ``cbrowse.py LIBRARY PROTOCOL``.

Each report of the library is a line of JSON on standard output. The program never ends by itself:
kill it. On Linux the library asks Avahi.
"""

from __future__ import annotations

import ctypes as c
import json
import queue
import sys

from clibrary import CLibrary

BROWSED = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_int, c.c_char_p, c.c_void_p)
RESOLVED = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_char_p, c.c_char_p, c.c_char_p, c.c_int, c.c_void_p)


def main(path: str, protocol: bytes) -> None:
    environment = CLibrary(path).environment
    library = c.CDLL(path)
    prefix = "WS" if hasattr(library, "WSInitialize") else "ML"
    found: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def tell(*told: object) -> None:
        print(json.dumps([one.decode() if isinstance(one, bytes) else one for one in told]), flush=True)

    def browsed(_environment: int, _reference: int, flag: int, name: bytes, _context: int) -> None:
        tell("browsed", flag, name)
        found.put(name)

    def resolved(_environment: int, _reference: int, name: bytes, link: bytes, kind: bytes, options: int, _context: int) -> None:
        tell("resolved", name, link, kind, options)

    browse, resolve = getattr(library, f"{prefix}BrowseForLinkServices"), getattr(library, f"{prefix}ResolveLinkService")
    browse.argtypes = [c.c_void_p, BROWSED, c.c_char_p, c.c_char_p, c.c_void_p, c.c_void_p]
    resolve.argtypes = [c.c_void_p, RESOLVED, c.c_char_p, c.c_char_p, c.c_void_p, c.c_void_p]
    # The library keeps the addresses of these objects.
    kept = [BROWSED(browsed), RESOLVED(resolved), c.c_void_p(), c.c_void_p()]
    tell("browses", browse(environment, kept[0], protocol, None, None, c.byref(kept[2])))
    while True:
        resolve(environment, kept[1], protocol, found.get(), None, c.byref(kept[3]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].encode())
