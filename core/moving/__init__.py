"""Moving over from the old connector: what its accounts, tokens, cursors and flags become here."""
