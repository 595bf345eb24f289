"""The errors a person may meet; each message names what was found, what is accepted and what to do next."""


class LookTwiceError(Exception):
    """Root of every error that LookTwice raises on purpose; the command line shows it as one sentence."""


class InputError(LookTwiceError):
    """A file, folder or argument that a person gave cannot be used."""


class ModelError(LookTwiceError):
    """A checkpoint or profile is missing, unsafe, broken or of the wrong class for its role."""
