"""What the command line shows of texts that somebody else has written."""

from handlers.cli.text import shown, table


def test_nothing_of_a_cell_is_obeyed_by_a_terminal() -> None:
    told = table(("error",), [("\x1b[2Jgone\r\nnext\x9b1m",)])

    assert told.splitlines() == ["error", "-" * 17, " [2Jgone  next 1m"]
    assert shown(None) == "None"
