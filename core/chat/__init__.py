"""Sessions of a chat: one task at a time, in order, plans that wait for a yes."""
