"""The admin shell, `kernelbus shell`: :mod:`shell.admin.app` is the shell itself, the others are its commands."""
