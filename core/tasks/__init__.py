"""Jobs as the task API shows them: what may be written of a person, and what a text is about."""
