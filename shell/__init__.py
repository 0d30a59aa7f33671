"""Everything a person types: the `kernelbus` command and its clients."""
