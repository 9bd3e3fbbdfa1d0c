"""The kinds of jobs that come with Cronshot: what each accepts, does and makes of the answer."""
