from django.apps import AppConfig


class Matching(AppConfig):
    name = "marketplace.matching"
    label = "matching"

    def ready(self) -> None:
        from marketplace.matching import signals  # noqa: F401  connects the request board to the change log
