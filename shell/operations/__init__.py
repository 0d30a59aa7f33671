"""The server's processes, and what operators see of them.

``serve``, ``broker``, ``frontend`` and ``host`` put the parts together, each in a process that
``parts`` runs and ends. ``findbus`` finds and advertises brokers, and ``notify`` tells the service
manager. ``shown`` serves ``metrics`` and ``web``, the page, over ``httpserver``. ``status`` with
its ``tables``, ``keys`` and ``checkconfig`` are commands for operators. The room may import every
other part, and no other room of the shell. Begin reading at ``serve``.
"""
