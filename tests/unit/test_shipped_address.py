"""Which addresses are the internet's. The traps were measured; see facts on the SSRF guard."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.shipped.address import is_loopback, is_public

PUBLIC = [
    "8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip
NOT_PUBLIC = [
    # What Python calls global.
    "64:ff9b::7f00:1", "2002:7f00:1::", "192.0.0.8", "192.88.99.1", "224.0.0.1",
    # Loopback, and every other way to write it.
    "127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "0.0.0.0", "::",
    # Cloud metadata, plainly and wrapped.
    "169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::ffff:169.254.169.254",
    "fd00:ec2::254",
    # Private, shared, link-local, benchmarks, documentation, multicast, reserved.
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255",
    "198.18.0.1", "198.19.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "240.0.0.1",
    "255.255.255.255", "239.255.255.255", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "2001:db8::1", "2001:2::1", "3fff::1", "100::1", "64:ff9b:1::1",
    "5f00::1", "4000::1",
    # Teredo: neither its server nor its client may be inside.
    "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_the_internet_is_public(text: str) -> None:
    assert is_public(text)


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_nothing_else_is(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("text", ["", "localhost", "example.com", "127.1", "0x7f.1", "1.2.3.4.5"])
def test_what_is_no_address_is_neither_public_nor_loopback(text: str) -> None:
    assert not is_public(text)
    assert not is_loopback(text)


@pytest.mark.parametrize(
    "name", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "①②⑦.0.0.1", "0", "127.0.0.1"]
)
def test_what_the_system_takes_for_loopback_is_judged_as_what_it_resolves_to(name: str) -> None:
    resolved = {str(found[4][0]) for found in socket.getaddrinfo(name, 80, proto=6)}

    assert resolved
    assert not any(is_public(address) for address in resolved)


@given(st.integers(0, 2**32 - 1).map(lambda n: ".".join(str(n >> s & 255) for s in (24, 16, 8, 0))))
def test_wrapping_an_address_makes_it_no_more_public(address: str) -> None:
    octets = [int(part) for part in address.split(".")]
    middle = f"{octets[0]:02x}{octets[1]:02x}:{octets[2]:02x}{octets[3]:02x}"

    wrapped = [f"::ffff:{address}", f"64:ff9b::{middle}", f"2002:{middle}::1"]

    assert {is_public(each) for each in wrapped} == {is_public(address)}


@pytest.mark.parametrize("text", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_loopback(text: str) -> None:
    assert is_loopback(text)


@pytest.mark.parametrize("text", ["8.8.8.8", "0.0.0.0", "169.254.169.254", "192.168.0.1"])
def test_other_machines_are_not(text: str) -> None:
    assert not is_loopback(text)
