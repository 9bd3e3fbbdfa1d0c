"""The Trading calls that are served, by their names."""

from collections.abc import Mapping

from infra.simulator.trading import Call

CALLS: Mapping[str, Call] = {}
