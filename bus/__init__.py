"""The bus: the broker, what travels on it, and the channel between frontends and kernel hosts."""
