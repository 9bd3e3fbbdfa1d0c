"""What the database answered, for the callers of this package that decide differently on it.

The rest of the tree is in `core.errors`; adapters let these pass, for each is one of core's kinds.
"""

from core.errors import ConfigurationError, MaybeWrittenError, StoreUnavailableError


class LockTimeoutError(StoreUnavailableError):
    """Somebody else holds the row or lock (55P03): not broken, busy."""


class ConflictError(StoreUnavailableError):
    """PostgreSQL chose this transaction as the victim (40001, 40P01): repeat it now."""


class CommitUnknownError(MaybeWrittenError):
    """The connection broke during COMMIT: it may or may not have been applied.

    Only a read of what the transaction wrote (its fence, its key) can tell.
    """


class SchemaMissingError(ConfigurationError):
    """A table or schema of ours is not there (42P01, 3F000)."""


class BrokenStatementError(Exception):
    """PostgreSQL refuses a statement for its text, not for its content: a bug of ours."""
