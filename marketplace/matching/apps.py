from django.apps import AppConfig


class Matching(AppConfig):
    name = "marketplace.matching"
    label = "matching"

    def ready(self) -> None:
        from marketplace.accounts import personal as people
        from marketplace.matching import (
            personal,
            signals,  # noqa: F401  connects the request board to the change log
        )

        people.register(personal)
