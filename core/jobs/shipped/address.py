"""Which addresses are the internet's: the ones that a request on somebody's behalf may reach.

`is_global` alone is not it: of 127.0.0.1 it takes the NAT64 form (64:ff9b::7f00:1) and the 6to4
form (2002:7f00:1::) for public, and 192.0.0.8, 192.88.99.1 and 224.0.0.1 too (Python 3.11).
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NOT_PUBLIC = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# Everything else is for documentation, benchmarks, one site, one link, or nobody yet.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16")
)
_NAT64 = IPv6Network("64:ff9b::/96")
_LOW_32 = (1 << 32) - 1


def is_public(text: str) -> bool:
    """False for what is no address as well."""
    try:
        return all(_public(each) for each in _unwrapped(ip_address(text)))
    except ValueError:
        return False


def is_loopback(text: str) -> bool:
    try:
        return all(each.is_loopback for each in _unwrapped(ip_address(text)))
    except ValueError:
        return False


def _public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC)
    return address in _GLOBAL_UNICAST and not any(address in each for each in _NOT_PUBLIC_6)


def _unwrapped(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """What an address stands for: an IPv4 one may be inside, Teredo holds two."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.teredo is not None:
        return list(address.teredo)
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & _LOW_32)
    return [inner or address]
