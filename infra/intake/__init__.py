"""Where the files of the intake are: folders of this machine."""
