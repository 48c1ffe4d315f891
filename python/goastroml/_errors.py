"""The exceptions of goastroml."""


class AstromlError(Exception):
    """An error of goastroml. Raised itself, it is a bug of ours: please report its text."""


class ShapeError(AstromlError, ValueError):
    """Arrays that do not fit each other or the model."""


class FormatError(AstromlError, ValueError):
    """A file that is not what it should be."""


class VersionError(FormatError):
    """A file that a newer version of goastroml wrote."""


class DivergedError(AstromlError, ArithmeticError):
    """A training run whose loss is no longer finite."""
