"""The admin shell, `kernelbus shell`: :mod:`kernelbus.shell.admin.app` is the shell itself, the
others are its commands.
"""
