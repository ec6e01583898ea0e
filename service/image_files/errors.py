"""What can be wrong with images and masks before anybody looks at their pixels."""


class UnusableInputError(Exception):
    """Images, masks or a folder of them cannot be used; the message says which, and why."""
