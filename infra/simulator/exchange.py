"""One request from arrival to the log: fault or work, damage, delivery."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.simulator import damage
from infra.simulator.answers import Answer, Request
from infra.simulator.clock import iso
from infra.simulator.consent import PREFIX as CONSENT_PAGES
from infra.simulator.consent import ConsentPage
from infra.simulator.control import PREFIX, Control
from infra.simulator.faults import Faults, Kind, Rule
from infra.simulator.journal import Journal, masked
from infra.simulator.oauth import TokenDesk
from infra.simulator.router import Gateway, Host, Operation, find_operation
from infra.simulator.trading import ask_for_first_page
from infra.simulator.wire import Wire, head
from infra.simulator.world import World

_GARBAGE = b"\x16\x03\x01\x00\xa5 this is not HTTP\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Exchange:
    world: World
    faults: Faults
    journal: Journal
    desk: TokenDesk
    gateway: Gateway
    control: Control
    consent: ConsentPage
    ticks: Callable[[], float] = time.monotonic

    def serve(self, request: Request, hosts: frozenset[Host], wire: Wire) -> bool:
        """Answer on `wire`; True when its connection can be used again."""
        if request.path.startswith(PREFIX):
            return self._send(wire, self.control.answer(request))
        if request.path.startswith(CONSENT_PAGES):
            # Not in the log: codes and states stand in these addresses.
            return self._send(wire, self.consent.answer(request))
        operation = find_operation(request)
        rule = None
        if operation:
            with self.world.lock:
                self.gateway.identify(operation, request)
            rule = self.faults.pick(operation.name, request)
        begun, at = self.ticks(), iso(self.world.clock.now_ms())
        answer = self._prepare(operation, request, hosts, rule, wire)
        if rule and answer and damage.misses(rule, answer):
            self.faults.give_back(rule)
            rule = None
        elif rule and answer:
            answer = damage.damaged(rule, answer)
        # Before delivery: who has the answer finds the request in the log.
        self._note(operation, request, hosts, rule, answer, at=at, begun=begun)
        return self._deliver(answer, rule, wire)

    def _prepare(
        self,
        operation: Operation | None,
        request: Request,
        hosts: frozenset[Host],
        rule: Rule | None,
        wire: Wire,
    ) -> Answer | None:
        """The answer before damage; None: there is none."""
        if rule is None or operation is None:
            return self.gateway.answer(operation, request, hosts)
        if rule.kind in {Kind.HANG, Kind.GARBAGE, Kind.RESET_BEFORE}:
            return None
        instead = damage.instead(rule, operation.manners, request)
        if instead:
            return instead
        self._before_work(rule, request, wire)
        return self.gateway.answer(operation, request, hosts)

    def _before_work(self, rule: Rule, request: Request, wire: Wire) -> None:
        match rule.kind:
            case Kind.DELAY:
                wire.wait(1.0 if rule.seconds is None else rule.seconds)
            case Kind.EXPIRE_TOKEN if request.account:
                self.desk.end_tokens(request.account)
            case Kind.SAME_PAGE:
                request.parameters = [each for each in request.parameters if each[0] != "offset"]
                ask_for_first_page(request)
            case _:
                pass

    def _deliver(self, answer: Answer | None, rule: Rule | None, wire: Wire) -> bool:
        if answer is not None and rule is None:
            return self._send(wire, answer)
        if answer is not None and rule is not None:
            return wire.deliver(rule, self._head(answer), answer.body or b"")
        assert rule is not None, "only a fault leaves a request without an answer"
        match rule.kind:
            case Kind.HANG:
                wire.hang(rule.seconds)
            case Kind.GARBAGE:
                wire.send(_GARBAGE)
            case _:
                wire.reset()
        return False

    def _send(self, wire: Wire, answer: Answer) -> bool:
        wire.send(self._head(answer) + (answer.body or b""))
        return True

    def _head(self, answer: Answer) -> bytes:
        now_ms = self.world.clock.now_ms()
        length = None if answer.body is None else len(answer.body)
        return head(answer, f"{now_ms:x}-simulated", now_ms / 1000, length)

    def _note(
        self,
        operation: Operation | None,
        request: Request,
        hosts: frozenset[Host],
        rule: Rule | None,
        answer: Answer | None,
        *,
        at: str,
        begun: float,
    ) -> None:
        self.journal.note(
            at=at,
            host="+".join(sorted(hosts)),
            method=request.method,
            path=request.path,
            query=request.query,
            operation=operation.name if operation else None,
            account=request.account.name if request.account else None,
            limit=request.get("limit"),
            offset=request.get("offset"),
            status=answer.status if answer else None,
            size=len(answer.body or b"") if answer else 0,
            duration_ms=round((self.ticks() - begun) * 1000, 3),
            fault=rule.kind.value if rule else None,
            headers=masked(request.headers),
        )
