"""What can be wrong with a bundle."""


class InvalidBundleError(ValueError):
    """A bundle directory is incomplete, altered, not signed or of another format version."""


class MissingTierError(ValueError):
    """A bundle does not come in the precision that was asked for."""


class BundleKeyError(ValueError):
    """A file holds no key that bundles can be signed or verified with."""
