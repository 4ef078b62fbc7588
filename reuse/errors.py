"""What can go wrong, said once: what, the rule, what came, what next."""


class ReuseError(Exception):
    """A model, a plan or a parameter that can not be used. `code` is a kebab-case reason."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.code, self.message, self.hint = code, message, hint


def must(name: str, rule: str, holds: bool, value: object) -> None:
    """Raise ReuseError for a parameter that breaks its rule."""
    if not holds:
        raise ReuseError("wrong-parameter", f"{name} must be {rule}; got {value!r}.")


class Cancelled(ReuseError):
    """The one who asked for the work no longer wants it."""

    def __init__(self) -> None:
        super().__init__("cancelled", "The job was cancelled.")
