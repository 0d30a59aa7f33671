"""The TCP side of kernelbus: the link server that WSTP programs connect to."""
