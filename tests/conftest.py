"""Fixtures for all tests: a PostgreSQL for the session, a database for each test that asks."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator

import hypothesis
import pytest

from infra.env_file import ENV_FILE
from infra.postgres.transaction import Database
from infra.settings import Replaced, Settings
from tests.support.caused import Caused
from tests.support.postgres import (
    Server,
    migrated_template,
    open_database,
    running_server,
    through_pooler,
)

CAUSED = "caused"
LONG_FILES = {"test_embedded.py", "test_every_stream.py", "test_every_stream_garbage.py"}
DATABASE_FIXTURES = {"postgres_server", "database_name", "empty_database_name"}


# A busy machine takes long over an example; that is no fault of the example's.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("unhurried")
    forget_what_somebody_works_with()
    config.addinivalue_line(
        "markers", "direct_only(reason): cannot go through a pooler, left out with TEST_PGBOUNCER=1"
    )


def forget_what_somebody_works_with() -> None:
    """His database, his keys and the address that his runs ping, whether exported or in `.env`."""
    for name in (*Settings.model_fields, *Replaced.model_fields):
        os.environ.pop(name.upper(), None)
    os.environ[ENV_FILE] = ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What one worker does alone and what takes longest begins first, or all would wait for it.
    items.sort(key=lambda item: (not _is_of_a_group(item), not _is_long(item)))
    for item in items:
        if DATABASE_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("postgres")
        direct_only = item.get_closest_marker("direct_only")
        if direct_only and through_pooler():
            item.add_marker(pytest.mark.skip(reason=direct_only.kwargs["reason"]))


def _is_of_a_group(item: pytest.Item) -> bool:
    return item.get_closest_marker("xdist_group") is not None


def _is_long(item: pytest.Item) -> bool:
    return item.path.parent.name == "chaos" or item.path.name in LONG_FILES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which faults were caused, what the database tests ran on, and which did not."""
    _tell_caused(terminalreporter)
    ended = [
        report
        for kind in ("passed", "failed", "error")
        for report in terminalreporter.getreports(kind)
        # What failed to be collected is a report as well, of no test.
        if isinstance(report, pytest.TestReport)
        and "postgres" in report.keywords
        and report.when == "call"
    ]
    skipped = [
        report
        for report in terminalreporter.getreports("skipped")
        if isinstance(report, pytest.TestReport) and "postgres" in report.keywords
    ]
    if not ended and not skipped:
        return
    ran = Counter(
        value for report in ended for name, value in report.user_properties if name == "on"
    )
    left_out = Counter((report.nodeid.partition("::")[0], _reason(report)) for report in skipped)
    terminalreporter.section("database tests")
    for label, number in sorted(ran.items()):
        terminalreporter.line(f"{number} ran on {label}")
    for (file, reason), number in sorted(left_out.items()):
        terminalreporter.line(f"{number} left out of {file}: {reason}")


def _tell_caused(terminalreporter: pytest.TerminalReporter) -> None:
    ended = [
        report
        for kind in ("passed", "failed")
        for report in terminalreporter.getreports(kind)
        if report.when == "call"
    ]
    lines = [value for report in ended for name, value in report.user_properties if name == CAUSED]
    if lines:
        terminalreporter.section("faults that were caused")
    for line in sorted(lines):
        terminalreporter.line(line)


def _reason(report: pytest.TestReport) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")


@pytest.fixture
def caused(request: pytest.FixtureRequest) -> Caused:
    """Told at the end, whether the test passes or not: a chaos test counts what it caused."""
    return lambda line: request.node.user_properties.append((CAUSED, line))


@pytest.fixture(scope="session")
def _session_server() -> Iterator[Server]:
    if through_pooler() and shutil.which("pgbouncer") is None:
        pytest.skip("TEST_PGBOUNCER=1, and pgbouncer is not installed")
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def _template(_session_server: Server) -> Iterator[str]:
    with migrated_template(_session_server) as name:
        yield name


@pytest.fixture
def postgres_server(_session_server: Server, request: pytest.FixtureRequest) -> Server:
    request.node.user_properties.append(("on", _session_server.label))
    return _session_server


@pytest.fixture
def database_name(postgres_server: Server, _template: str) -> Iterator[str]:
    """A migrated, empty database of the test's own."""
    name = postgres_server.create_database(_template)
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def empty_database_name(postgres_server: Server) -> Iterator[str]:
    """A database of the test's own without our schema."""
    name = postgres_server.create_database()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def database_url(postgres_server: Server, database_name: str) -> str:
    """A migrated, empty database as DATABASE_URL says it; through the pooler if there is one."""
    return postgres_server.client.with_database(database_name).reveal()


@pytest.fixture
def direct_database_url(postgres_server: Server, database_name: str) -> str:
    """The same database, never through the pooler: to watch it, and to break it."""
    return postgres_server.admin.with_database(database_name).reveal()


@pytest.fixture
def empty_database_url(postgres_server: Server, empty_database_name: str) -> str:
    return postgres_server.client.with_database(empty_database_name).reveal()


@pytest.fixture
def database(postgres_server: Server, database_name: str) -> Iterator[Database]:
    opened = open_database(postgres_server.client.with_database(database_name))
    yield opened
    opened.dispose()


@pytest.fixture
def empty_database(postgres_server: Server, empty_database_name: str) -> Iterator[Database]:
    opened = open_database(postgres_server.client.with_database(empty_database_name))
    yield opened
    opened.dispose()
