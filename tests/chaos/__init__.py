"""Kills, freezes, cut connections and a source that changes."""
