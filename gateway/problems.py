"""What keeps a command from going on."""


class CommandError(Exception):
    """The command cannot go on; the message says what to do."""
