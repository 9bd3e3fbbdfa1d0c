"""Where requests may go: one reading of an address, and a list of hosts."""

import pytest

from core.jobs.kinds import BadPayloadError
from core.jobs.shipped.target import (
    Host,
    Reach,
    Target,
    is_this_machine,
    read_host,
    read_hosts,
    read_target,
)

LISTED = Reach(hosts=read_hosts("executor.example.com, *.example.org:8443, api.example.net:9443"))
HERE = Reach(hosts=read_hosts("127.0.0.1,localhost,[::1],executor.example.com"), loopback=True)


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path"),
    [
        ("https://executor.example.com", "https", "executor.example.com", 443, "/"),
        ("HTTPS://Executor.Example.COM/A?b=C", "https", "executor.example.com", 443, "/A?b=C"),
        ("https://a.example:8443/x%20y", "https", "a.example", 8443, "/x%20y"),
        ("http://127.0.0.1:9000/", "http", "127.0.0.1", 9000, "/"),
        ("http://[0:0::1]:9000/", "http", "::1", 9000, "/"),
        ("https://xn--mnchen-3ya.example/", "https", "xn--mnchen-3ya.example", 443, "/"),
        ("https://93.184.216.34/", "https", "93.184.216.34", 443, "/"),
        ("https://a1.example/", "https", "a1.example", 443, "/"),
    ],
)
def test_an_address_is_taken_apart_once(
    url: str, scheme: str, host: str, port: int, path: str
) -> None:
    assert read_target(url, "url") == Target(scheme=scheme, host=host, port=port, path=path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "executor.example.com",
        "//executor.example.com/",
        "ftp://executor.example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "https://",
        "https:///path",
        "https://user@executor.example.com/",
        "https://user:password@executor.example.com/",
        "https://executor.example.com@evil.example/",
        "https://executor.example.com\\@evil.example/",
        "https://executor.example.com\\.evil.example/",
        "https://executor.example.com/\r\nHost: evil.example",
        "https://executor.example.com/ x",
        "https://executor.example.com\t/",
        "https://executor.example.com\x00/",
        "https://①②⑦.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://example.com.1/",
        "https://münchen.example/",
        "https://executor.example.com。evil.example/",
        "https://executor.example.com:0/",
        "https://executor.example.com:99999/",
        "https://executor.example.com:x/",
        "https://executor.example.com./",
        "https://.example.com/",
        "https://-a.example.com/",
        "https://a..example.com/",
        "https://exa%6dple.com/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://[::ffff:1.2.3.4.5]/",
        "https://executor.example.com/#part",
        "https://executor.example.com/#",
        "https://executor.example.com/" + "x" * 2000,
    ],
)
def test_what_could_mean_two_things_is_refused_by_the_name_of_its_field(url: str) -> None:
    with pytest.raises(BadPayloadError, match=r"^hook: ") as caught:
        read_target(url, "hook")

    assert "evil" not in str(caught.value)
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://executor.example.com/",
        "https://a.example.org:8443/",
        "https://a.b.example.org:8443/",
        "https://api.example.net:9443/",
    ],
)
def test_a_listed_host_may_be_reached(url: str) -> None:
    LISTED.check(read_target(url, "url"), "url")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://evil.example/", "evil.example is not in HTTP_ALLOWED_HOSTS"),
        ("https://executor.example.com.evil.example/", "is not in HTTP_ALLOWED_HOSTS"),
        ("https://evilexecutor.example.com/", "is not in HTTP_ALLOWED_HOSTS"),
        ("https://example.org:8443/", "is not in HTTP_ALLOWED_HOSTS"),
        ("https://evilexample.org:8443/", "is not in HTTP_ALLOWED_HOSTS"),
        ("https://a.example.org/", "is not in HTTP_ALLOWED_HOSTS"),
        ("https://api.example.net/", "is not in HTTP_ALLOWED_HOSTS"),
        ("https://executor.example.com:8443/", "must name the port: executor.example.com:8443"),
        ("http://executor.example.com/", "must begin with https://"),
        ("http://127.0.0.1/", "must begin with https://"),
        ("https://[::1]:9000/", r"\[::1\]:9000 is not in HTTP_ALLOWED_HOSTS"),
    ],
)
def test_every_other_host_may_not(url: str, why: str) -> None:
    with pytest.raises(BadPayloadError, match=why):
        LISTED.check(read_target(url, "url"), "url")


def test_without_a_list_nothing_is_reached() -> None:
    with pytest.raises(BadPayloadError, match="HTTP_ALLOWED_HOSTS"):
        Reach().check(read_target("https://executor.example.com/", "url"), "url")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9000/", "http://localhost:1/", "http://[::1]:5/", "https://localhost/"],
)
def test_for_development_this_machine_is_reached_at_any_port(url: str) -> None:
    HERE.check(read_target(url, "url"), "url")


@pytest.mark.parametrize(
    "url",
    ["http://executor.example.com/", "https://executor.example.com:1/", "http://127.0.0.2:1/"],
)
def test_and_nothing_else_is_by_that(url: str) -> None:
    with pytest.raises(BadPayloadError):
        HERE.check(read_target(url, "url"), "url")


@pytest.mark.parametrize("addresses", [[], ["8.8.8.8", "10.0.0.1"], ["127.0.0.1"], ["::1"]])
def test_one_address_that_is_not_public_condemns_them_all(addresses: list[str]) -> None:
    assert LISTED.refusal(addresses, secured=True) == "an address of the host is not public"


def test_public_addresses_are_reached_over_tls_only() -> None:
    for reach in (LISTED, HERE):
        assert reach.refusal(["8.8.8.8", "2606:4700:4700::1111"], secured=True) is None
        assert reach.refusal(["8.8.8.8"], secured=False) == (
            "without TLS only this machine is reached"
        )


def test_loopback_is_reached_where_it_is_allowed_and_stands_alone() -> None:
    assert HERE.refusal(["127.0.0.1", "::1"], secured=False) is None
    assert HERE.refusal(["127.0.0.1"], secured=True) is None
    assert HERE.refusal(["127.0.0.1", "10.0.0.1"], secured=False) is not None
    assert HERE.refusal(["127.0.0.1", "8.8.8.8"], secured=True) is not None
    assert LISTED.refusal(["127.0.0.1"], secured=False) is not None


def test_a_list_is_read() -> None:
    assert read_hosts(" A.example:8443 ,, *.b.example,[::1]:9 ") == (
        Host("a.example", 8443),
        Host("*.b.example", None),
        Host("::1", 9),
    )
    assert read_hosts("") == ()
    assert read_host(" A.example ") == Host("a.example", None)


@pytest.mark.parametrize(
    "text", ["https://a.example", "a b", "*", "*example.com", "a:0", "a:99999", "a/b"]
)
def test_a_list_that_cannot_be_read_says_how_it_should_look(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must look like executor\.example\.com"):
        read_hosts(text)


def test_a_path_which_may_be_a_secret_is_not_shown() -> None:
    target = read_target("https://hooks.example.com:8443/services/canary?key=canary", "url")

    assert "canary" not in repr(target)
    assert target.place == "hooks.example.com:8443"
    assert read_target("https://[2606:4700::1]/", "url").place == "[2606:4700::1]"


def test_this_machine_is_known_by_what_is_written() -> None:
    assert is_this_machine("localhost")
    assert is_this_machine("127.0.0.1")
    assert is_this_machine("::1")
    assert not is_this_machine("localhost.example.com")
