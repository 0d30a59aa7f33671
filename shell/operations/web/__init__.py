"""The web page: what `kernelbus status` and the admin shell show, for who would rather look.

Nothing here changes anything. ``desk`` asks the broker on the event loop, and ``site`` answers
requests in threads of :mod:`kernelbus.shell.operations.httpserver`: ``guard`` decides who may look,
``selection`` takes the rows that are asked for, ``history`` keeps what the sparklines show, and
``pages`` writes HTML. ``static`` has the style and the script, which reads the same JSON as any
program (docs/web.md). Begin reading at ``site``.
"""
