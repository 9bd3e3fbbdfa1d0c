"""What is planned for a judgment: a second example of a kind that a team adds."""
